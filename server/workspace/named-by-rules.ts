/**
 * Whether any of a list of ignore rules could be about a path, judged by names alone: a few look-ups instead of a regular expression
 * for each rule, hundreds of which have to be compiled at every start and asked for every file.
 *
 * Guarantees: true for every path about which a rule says anything, and for some others; the rules themselves decide then.
 * Deliberately lacks: what git means by a rule. One that is more than plain names and asterisks could be about any path.
 */

/** @param rules lines as in `.gitignore` */
export function namedBy(rules: Iterable<string>): (path: string) => boolean {
	const names = new NamePatterns();
	for (const rule of rules) {
		// What is lifted was ignored by another rule.
		if (rule.startsWith('!')) continue;
		const name = nameIn(rule);
		if (name === undefined) return () => true;
		names.add(inOneCase(name));
	}
	let [folder, isFolderNamed] = ['', false];
	return (path) => {
		const upper = inOneCase(path.endsWith('/') ? path.slice(0, -1) : path);
		const slash = upper.lastIndexOf('/');
		// Paths come folder by folder.
		if (slash > 0 && upper.slice(0, slash) !== folder) {
			folder = upper.slice(0, slash);
			isFolderNamed = folder.split('/').some((name) => names.match(name));
		}
		return (slash > 0 && isFolderNamed) || names.match(upper.slice(slash + 1));
	};
}

/** The last name of a rule that says something, which every path has that the rule is about; undefined when there is none. */
function nameIn(rule: string): string | undefined {
	if (/[\\[\]?]/.test(rule)) return undefined;
	return rule
		.replace(/ +$/, '')
		.split('/')
		.findLast((name) => /[^*]/.test(name));
}

/** Whatever a file system takes for one name is one name here. */
function inOneCase(text: string): string {
	return text.toUpperCase();
}

class NamePatterns {
	readonly #names = new Set<string>();
	/** Ends of names by what follows their last dot: `*.min.js`. */
	readonly #ends = new Map<string, string[]>();
	readonly #others: string[] = [];
	#other: RegExp | undefined;

	add(pattern: string): void {
		const end = /^\*+([^*]*\.[^*.]*)$/.exec(pattern)?.[1];
		if (end !== undefined) this.#ends.set(extensionOf(end), [...(this.#ends.get(extensionOf(end)) ?? []), end]);
		else if (!pattern.includes('*')) this.#names.add(pattern);
		else this.#others.push(pattern.replace(/[.+^$(){}|]/g, '\\$&').replace(/\*+/g, '.*'));
	}

	match(name: string): boolean {
		if (this.#names.has(name)) return true;
		if (this.#ends.get(extensionOf(name))?.some((end) => name.endsWith(end))) return true;
		if (this.#others.length === 0) return false;
		this.#other ??= new RegExp(`^(?:${this.#others.join('|')})$`, 's');
		return this.#other.test(name);
	}
}

function extensionOf(name: string): string {
	return name.slice(name.lastIndexOf('.') + 1);
}
