/**
 * Writes the settings of `shared/settings.ts` into the manifest (`npm run manifest -w client-vscode`, after a build).
 * Settings that only this client reads stand here. `test/unit/tidy.test.ts` fails when manifest and schema differ.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { SETTINGS_SCHEMA } from 'hef-shared';

const file = new URL('../package.json', import.meta.url);
const manifest = JSON.parse(readFileSync(file, 'utf8'));
const own = {
	'hef.serverPath': {
		type: 'string',
		default: '',
		scope: 'machine',
		description: 'Absolute path of another hef-language-server.js to start. Empty: the one that comes with the extension.',
	},
};
const shared = Object.entries(SETTINGS_SCHEMA).map(([name, schema]) => [`hef.${name}`, schema]);
manifest.contributes.configuration = { title: 'HEF', properties: { ...Object.fromEntries(shared), ...own } };
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
