import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { HefError } from '../../server/base/errors.ts';
import { describeBundle, loadBundle, resolveBundle } from '../../server/inference/bundle.ts';
import { NO_PROJECTOR, UNCALIBRATED } from '../../server/inference/manifest.ts';
import {
	copyTinyBundle,
	editManifest,
	fixturesFolder,
	type ManifestJson,
	shippedBundleFolder,
	tinyBundleFolder,
} from '../support/tiny-bundle.ts';

/** The error that loading a damaged copy gives. */
async function errorAfter(damage: (folder: string) => Promise<void>): Promise<HefError> {
	await using copy = await copyTinyBundle();
	await damage(copy.folder);
	return loadBundle(copy.folder).then(
		() => expect.unreachable('a damaged bundle loaded'),
		(error: HefError) => error,
	);
}

/** The same, after an edit of the manifest. */
async function errorAfterEdit(edit: (manifest: ManifestJson) => void): Promise<HefError> {
	return errorAfter((folder) => editManifest(folder, edit));
}

test('a bundle loads with typed manifest, id and absolute paths', async () => {
	const bundle = await loadBundle(tinyBundleFolder);
	expect(bundle.manifest.name).toBe('tiny');
	expect(bundle.manifest.embedder.append).toEqual([2]);
	expect(bundle.manifest.embedder.query, 'queries are embedded as chunks are, unless the manifest says otherwise').toEqual({
		before: [],
		append: [2],
	});
	expect(bundle.bundleId).toMatch(/^[0-9a-f]{16}$/);
	expect(bundle.path('generator.onnx')).toBe(join(tinyBundleFolder, 'generator.onnx'));
	expect(bundle.manifest.confidence).toEqual(UNCALIBRATED);
});

test('weights of the confidence are the ones that the manifest has', async () => {
	await using copy = await copyTinyBundle();
	await editManifest(copy.folder, (manifest) => {
		manifest.confidence = { intercept: -1, sumLogProb: 2, midWord: -0.5, lines: 600 };
	});
	expect((await loadBundle(copy.folder)).manifest.confidence).toEqual({ intercept: -1, sumLogProb: 2, midWord: -0.5 });
	const error = await errorAfterEdit((manifest) => {
		manifest.confidence = { intercept: -1, nTokens: 'many' };
	});
	expect(error.message).toContain('confidence.nTokens: expected a number');
});

describe('the space', () => {
	/** The space after one byte of a file changed, with the manifest in step. */
	async function spaceWithOther(file: string): Promise<string> {
		await using copy = await copyTinyBundle();
		await editManifest(copy.folder, (manifest) => {
			// The content only has to be another one that the manifest agrees with.
			manifest.files[file] = manifest.files['goldens.json'];
		});
		await copyFile(join(copy.folder, 'goldens.json'), join(copy.folder, file));
		return (await loadBundle(copy.folder)).spaceId;
	}

	test('changes with embedder, fuser and tokenizer, not with the generator', async () => {
		const { spaceId } = await loadBundle(tinyBundleFolder);
		expect(await spaceWithOther('generator.onnx')).toBe(spaceId);
		for (const file of ['embedder.onnx', 'fuser.onnx', 'tokenizer.json']) expect(await spaceWithOther(file)).not.toBe(spaceId);
	});
});

describe('damage is named', () => {
	test('a missing file', async () => {
		const error = await errorAfter((folder) => rm(join(folder, 'fuser.onnx')));
		expect(error).toMatchObject({ code: 'bundle-invalid' });
		expect(error.message).toContain('fuser.onnx: the file is missing');
		expect(error.message).toContain('models/README.md');
	});

	test('a file of another size', async () => {
		const error = await errorAfter((folder) => writeFile(join(folder, 'projector.onnx'), 'short'));
		expect(error.message).toMatch(/projector\.onnx: has 5 bytes, the manifest says \d+/);
	});

	test('a file of another content', async () => {
		const error = await errorAfter(async (folder) => {
			const bytes = await readFile(join(folder, 'generator.onnx'));
			bytes[100] = (bytes[100] as number) ^ 1;
			await writeFile(join(folder, 'generator.onnx'), bytes);
		});
		expect(error.message).toMatch(/generator\.onnx: its SHA-256 is [0-9a-f]{64}, the manifest says/);
	});

	test('a manifest that is not JSON', async () => {
		const error = await errorAfter((folder) => writeFile(join(folder, 'manifest.json'), '{ "name": '));
		expect(error).toMatchObject({ code: 'bundle-invalid' });
		expect(error.message).toContain('manifest.json is not JSON');
	});

	test('another format version, and nothing else beside it', async () => {
		const error = await errorAfterEdit((manifest) => {
			manifest.formatVersion = 2;
			delete manifest.generator;
		});
		expect(error.message).toContain('formatVersion: this server reads version 1, got 2');
		expect(error.message).not.toContain('generator');
	});

	test('every wrong field at once', async () => {
		const error = await errorAfterEdit((manifest) => {
			manifest.embedder.dimension = '32';
			manifest.generator.layers = 0;
			manifest.prompt.suffix.before = [-1];
			manifest.files['fuser.onnx'].sha256 = 'abc';
			delete manifest.fuser;
		});
		expect(error.message).toContain('embedder.dimension: expected a whole number of at least 1, got "32"');
		expect(error.message).toContain('generator.layers: expected a whole number of at least 1, got 0');
		expect(error.message).toContain('prompt.suffix.before: expected a list of token ids, got [-1]');
		expect(error.message).toContain('files.fuser.onnx.sha256: expected 64 hex digits, got "abc"');
		expect(error.message).toContain('fuser: expected an object, got nothing');
		expect(error.message.match(/\n {2}- /g)).toHaveLength(5);
	});

	test('dimensions that disagree', async () => {
		const error = await errorAfterEdit((manifest) => {
			manifest.fuser.dimension = 64;
			manifest.projectors.hef.outputDimension = 48;
			manifest.generator.stopTokens = [99_999];
			manifest.prompt.prefix.max = 400;
		});
		expect(error.message).toContain('fuser.dimension is 64, but embedder.dimension is 32: they must be equal');
		expect(error.message).toContain('projectors.hef.outputDimension is 48, but generator.hiddenSize is 32: they must be equal');
		expect(error.message).toContain('generator.stopTokens: 99999 lies outside of generator.vocabSize 384');
		expect(error.message).toMatch(/generator\.maxPositions 640 leaves no room after the longest prompt, \d+ tokens/);
	});

	test('an order that is not known, and marks that do not belong to it', async () => {
		const edited = async (prompt: object) => (await errorAfterEdit((manifest) => Object.assign(manifest.prompt, prompt))).message;
		expect(await edited({ order: 'msp' })).toContain('prompt.order: is one of spm, psm, got "msp"');
		expect(await edited({ order: 'psm' })).toContain("prompt.middle: order 'psm' needs the marks that begin the middle, as its before");
		expect(await edited({ order: 'psm', middle: { before: [] } })).toContain("prompt.middle: order 'psm' needs the marks");
		expect(await edited({ middle: { before: [5] } })).toContain("prompt.middle: belongs to order 'psm'");
		expect(await edited({ order: 'psm', middle: { before: [5000] } })).toContain(
			'prompt.middle.before: 5000 lies outside of generator.vocabSize 384',
		);
		expect(await edited({ file: { before: [4], text: '' } })).toContain('prompt.file.text: expected a text, got ""');
		const each = { before: [700], text: '{path}' };
		expect(await edited({ snippets: { max: 9, before: [], each } })).toContain(
			'prompt.snippets.each.before: 700 lies outside of generator.vocabSize',
		);
		expect(await edited({ total: 1, order: 'psm', middle: { before: [5] } })).toContain('prompt.total 1 leaves less than half');
	});

	test('an embedder whose own tokenizer is not listed, or too small for its marks', async () => {
		const withTokenizer = (tokenizer: object) => (manifest: ManifestJson) => Object.assign(manifest.embedder, { tokenizer });
		const error = await errorAfterEdit(withTokenizer({ file: 'other.json', vocabSize: 384 }));
		expect(error.message).toContain("embedder.tokenizer.file: 'other.json' is not listed in files");
		const small = await errorAfterEdit(withTokenizer({ file: 'tokenizer.json', vocabSize: 1 }));
		expect(small.message).toContain("lies outside of the embedder's vocabulary, 1");
	});

	test('without projectors it is a bundle, and says what it does without', async () => {
		await using copy = await copyTinyBundle();
		await editManifest(copy.folder, (manifest) => delete manifest.projectors);
		const bundle = await loadBundle(copy.folder);
		expect(bundle.manifest.projectors).toEqual({});
		expect(describeBundle(bundle).notices).toContain(NO_PROJECTOR);
		expect(describeBundle(await loadBundle(shippedBundleFolder)).notices).toBeUndefined();
	});

	test('a total that leaves too little of the prefix window', async () => {
		const withTotal = (less: number) => (manifest: ManifestJson) => {
			const { pseudoTokens, entities, suffix, prefix } = manifest.prompt;
			manifest.prompt.total = pseudoTokens.max + (entities?.max ?? 0) + suffix.max + Math.ceil(prefix.max / 2) - less;
		};
		expect((await errorAfterEdit(withTotal(1))).message).toMatch(/prompt\.total \d+ leaves less than half of the prefix window/);
		await using copy = await copyTinyBundle();
		await editManifest(copy.folder, withTotal(0));
		expect((await loadBundle(copy.folder)).manifest.prompt.total).toBeGreaterThan(0);
	});

	test('a model whose file is not listed', async () => {
		const error = await errorAfterEdit((manifest) => {
			manifest.embedder.file = 'other.onnx';
		});
		expect(error.message).toContain("embedder.file: 'other.onnx' is not listed in files");
	});

	test('a file outside of the folder', async () => {
		const error = await errorAfterEdit((manifest) => {
			manifest.files['../secret'] = manifest.files['fuser.onnx'];
		});
		expect(error.message).toContain('files.../secret: a file lies directly in the bundle folder');
	});
});

describe('finding a bundle', () => {
	test('by name and by path', async () => {
		expect(await resolveBundle('tiny-bundle', ['/nowhere', fixturesFolder])).toBe(tinyBundleFolder);
		expect(await resolveBundle(tinyBundleFolder, [])).toBe(tinyBundleFolder);
	});

	test('one that is not there gives the names of those that are', async () => {
		const attempt = resolveBundle('huge', ['/nowhere', fixturesFolder]);
		await expect(attempt).rejects.toMatchObject({ code: 'bundle-missing', message: expect.stringContaining('tiny-bundle') });
		await expect(resolveBundle('/nowhere/at/all', [])).rejects.toMatchObject({ code: 'bundle-missing' });
	});

	test('a name is never taken from the working directory', async () => {
		const name = relative(process.cwd(), tinyBundleFolder);
		await expect(resolveBundle(name, [])).rejects.toThrow('there is no bundle of that name');
	});

	test('a folder without a manifest says what to do', async () => {
		await expect(loadBundle(fixturesFolder)).rejects.toMatchObject({
			code: 'bundle-missing',
			message: expect.stringContaining('hef.bundle'),
		});
	});
});
