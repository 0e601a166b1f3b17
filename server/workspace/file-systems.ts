/** Which file systems tell of changes. Those whose files others change over a network, or through a program, do not. */
import { statfs } from 'node:fs/promises';

/** Linux's numbers for file systems (statfs(2)) that see their own changes alone. */
const SILENT: ReadonlyMap<number, string> = new Map([
	[0x6969, 'NFS'],
	[0x517b, 'SMB'],
	[0xff534d42, 'CIFS'],
	[0xfe534d42, 'SMB2'],
	[0x01021997, '9P'],
	[0x65735546, 'FUSE'],
	[0x00c36400, 'Ceph'],
	[0x5346414f, 'AFS'],
	[0x73757245, 'Coda'],
	[0x786f4256, 'vboxsf'],
	[0x7c7c6673, 'prl_fs'],
]);

/**
 * Name of the folder's file system when changes have to be found by polling; undefined when events can be trusted, or nobody
 * knows.
 * @param typeOf replaced in tests
 */
export async function silentFileSystem(
	folder: string,
	typeOf: (folder: string) => Promise<number> = statfsType,
): Promise<string | undefined> {
	if (process.platform === 'win32') return folder.startsWith('\\\\') ? 'a network share' : undefined;
	if (process.platform !== 'linux') return undefined;
	const type = await typeOf(folder).catch(() => undefined);
	return type === undefined ? undefined : SILENT.get(type >>> 0);
}

async function statfsType(folder: string): Promise<number> {
	return (await statfs(folder)).type;
}
