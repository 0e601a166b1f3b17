/** A ZIP archive of a few files, which is all that a .vsix is. No streaming, no ZIP64. */
import { crc32, deflateRawSync } from 'node:zlib';

const DEFLATE = 8;
const VERSION = 20;
/** 1 January 2020, so that the same content gives the same archive. */
const DATE = ((2020 - 1980) << 9) | (1 << 5) | 1;

/** @param {[path: string, content: Buffer][]} files */
export function zip(files) {
	const entries = files.map(([path, content]) => ({ name: Buffer.from(path), content, packed: deflateRawSync(content) }));
	const parts = [];
	const directory = [];
	let offset = 0;
	for (const entry of entries) {
		const local = Buffer.concat([header(0x04034b50, [VERSION]), fields(entry), entry.name, entry.packed]);
		directory.push(header(0x02014b50, [VERSION, VERSION]), fields(entry), central(offset), entry.name);
		parts.push(local);
		offset += local.length;
	}
	const index = Buffer.concat(directory);
	const end = Buffer.alloc(22);
	end.writeUInt32LE(0x06054b50, 0);
	end.writeUInt16LE(entries.length, 8);
	end.writeUInt16LE(entries.length, 10);
	end.writeUInt32LE(index.length, 12);
	end.writeUInt32LE(offset, 16);
	return Buffer.concat([...parts, index, end]);
}

function header(signature, versions) {
	const bytes = Buffer.alloc(4 + 2 * versions.length);
	bytes.writeUInt32LE(signature, 0);
	versions.forEach((version, i) => {
		bytes.writeUInt16LE(version, 4 + 2 * i);
	});
	return bytes;
}

/** The fields that a file's local header and its entry in the directory share. */
function fields({ name, content, packed }) {
	const bytes = Buffer.alloc(24);
	bytes.writeUInt16LE(0x0800, 0); // names are UTF-8
	bytes.writeUInt16LE(DEFLATE, 2);
	bytes.writeUInt16LE(DATE, 6);
	bytes.writeUInt32LE(crc32(content), 8);
	bytes.writeUInt32LE(packed.length, 12);
	bytes.writeUInt32LE(content.length, 16);
	bytes.writeUInt16LE(name.length, 20);
	return bytes;
}

/** The rest of a directory entry: no comment, no attributes, and where the file begins. */
function central(offset) {
	const bytes = Buffer.alloc(14);
	bytes.writeUInt32LE(offset, 10);
	return bytes;
}
