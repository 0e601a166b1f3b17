/**
 * Packs the extension. `npm run package -w client-vscode` gives `hef-vscode-<platform>-<version>.vsix`, which brings the server,
 * its native packages for this platform and the default bundle, so that it is all a user installs. With `--client-only` the
 * result is `hef-vscode-<version>.vsix`, without a server: set `hef.serverPath` to that of a checkout.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { serverFiles } from './server-files.mjs';
import { zip } from './zip.mjs';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url));
const manifest = JSON.parse(read('package.json').toString());
const { publisher, name, displayName, description, version, engines, categories, keywords, extensionKind } = manifest;

const withServer = !process.argv.includes('--client-only');
const platform = `${process.platform}-${process.arch}`;

const property = (id, value) => `      <Property Id="Microsoft.VisualStudio.Code.${id}" Value="${value}" />`;
const vsixManifest = `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${name}" Version="${version}" Publisher="${publisher}"${withServer ? ` TargetPlatform="${platform}"` : ''} />
    <DisplayName>${displayName}</DisplayName>
    <Description xml:space="preserve">${description}</Description>
    <Tags>${keywords.join(',')}</Tags>
    <Categories>${categories.join(',')}</Categories>
    <Properties>
${[property('Engine', engines.vscode), property('ExtensionKind', extensionKind.join(','))].join('\n')}
    </Properties>
    <License>extension/LICENSE</License>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code" /></Installation>
  <Dependencies />
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true" />
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" Addressable="true" />
  </Assets>
</PackageManifest>
`;
/** Files without an extension are named one by one, as the format wants it. */
const typeOf = (path) => {
	const name = path.slice(path.lastIndexOf('/') + 1);
	const dot = name.lastIndexOf('.');
	const named = dot > 0 ? `Default Extension="${name.slice(dot)}"` : `Override PartName="/${path}"`;
	return `<${named} ContentType="application/octet-stream" />`;
};
const contentTypesOf = (paths) => `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">${[...new Set(paths.map(typeOf))].join('')}</Types>
`;
const { scripts, devDependencies, private: isPrivate, ...published } = manifest;
const target = `hef-vscode-${withServer ? `${platform}-` : ''}${version}.vsix`;
const files = [
	['extension.vsixmanifest', Buffer.from(vsixManifest)],
	['extension/package.json', Buffer.from(JSON.stringify(published, null, 2))],
	['extension/dist/extension.cjs', read('dist/extension.cjs')],
	['extension/LICENSE', read('../LICENSE')],
	['extension/README.md', read('README.md')],
	...(withServer ? serverFiles().map(([path, content]) => [`extension/${path}`, content]) : []),
];
const archive = zip([...files, ['[Content_Types].xml', Buffer.from(contentTypesOf(files.map(([path]) => path)))]]);
writeFileSync(new URL(`../${target}`, import.meta.url), archive);
console.log(`${target}: ${(archive.length / 1e6).toFixed(2)} MB`);
