/** The grouping rule of the hierarchy, written out straight from its text: slow, from scratch, without any sharing. */
import { createHash } from 'node:crypto';

const sha256 = (text: string) => createHash('sha256').update(text, 'utf8').digest();
const border = (id: string, depth: number) => sha256(`cut\0${depth}\0${id}`).readUInt32BE(0) % 5 === 0;

export interface NaiveTree {
	root: string | undefined;
	/** Node of every file and directory, by path. */
	containers: Map<string, string>;
	/** Children of every inner node. */
	children: Map<string, string[]>;
}

/** @param files chunk ids of each file, by path */
export function naiveTree(space: string, files: ReadonlyMap<string, readonly string[]>): NaiveTree {
	const tree: NaiveTree = { root: undefined, containers: new Map(), children: new Map() };
	const join = (members: string[]) => {
		const id = sha256(`node\0${space}\0${members.join('\0')}`)
			.toString('hex')
			.slice(0, 32);
		tree.children.set(id, members);
		return id;
	};
	const container = (members: string[]): string => {
		if (members.length === 1) return join(members);
		for (let depth = 0; members.length > 1; depth++) members = pass(members, depth, join);
		return members[0] as string;
	};
	const directory = (prefix: string): string | undefined => {
		const names = new Set<string>();
		for (const [path, chunks] of files) {
			if (path.startsWith(prefix) && chunks.length > 0) names.add(path.slice(prefix.length).split('/')[0] as string);
		}
		const members: string[] = [];
		for (const name of [...names].sort()) {
			const chunks = files.get(prefix + name);
			const member = chunks ? container([...chunks]) : directory(`${prefix}${name}/`);
			if (member === undefined) continue;
			tree.containers.set(prefix + name, member);
			members.push(member);
		}
		return members.length > 0 ? container(members) : undefined;
	};
	tree.root = directory('');
	if (tree.root) tree.containers.set('', tree.root);
	return tree;
}

function pass(members: string[], depth: number, join: (members: string[]) => string): string[] {
	const groups: string[][] = [];
	let group: string[] = [];
	for (const id of members) {
		group.push(id);
		if (group.length >= 2 && (group.length === 8 || border(id, depth))) {
			groups.push(group);
			group = [];
		}
	}
	const before = groups.at(-1);
	if (group.length === 1 && before && before.length < 8) before.push(group[0] as string);
	else if (group.length > 0) groups.push(group);
	return groups.map((each) => (each.length === 1 ? (each[0] as string) : join(each)));
}
