/**
 * Packs the bundled client into `hef-vscode-<version>.vsix` for development (`npm run package -w client-vscode`).
 * The server is not inside, since its native packages differ by platform: set `hef.serverPath` to that of a checkout.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { zip } from './zip.mjs';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url));
const manifest = JSON.parse(read('package.json').toString());
const { publisher, name, displayName, description, version, engines, categories, keywords, extensionKind } = manifest;

const property = (id, value) => `      <Property Id="Microsoft.VisualStudio.Code.${id}" Value="${value}" />`;
const vsixManifest = `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${name}" Version="${version}" Publisher="${publisher}" />
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
  <Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true" /></Assets>
</PackageManifest>
`;
const types = ['json', 'cjs', 'vsixmanifest'].map((ext) => `<Default Extension=".${ext}" ContentType="application/octet-stream" />`);
const contentTypes = `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">${types.join('')}</Types>
`;

const { scripts, devDependencies, private: isPrivate, ...published } = manifest;
const target = `hef-vscode-${version}.vsix`;
const archive = zip([
	['extension.vsixmanifest', Buffer.from(vsixManifest)],
	['[Content_Types].xml', Buffer.from(contentTypes)],
	['extension/package.json', Buffer.from(JSON.stringify(published, null, 2))],
	['extension/dist/extension.cjs', read('dist/extension.cjs')],
	['extension/LICENSE', read('../LICENSE')],
]);
writeFileSync(new URL(`../${target}`, import.meta.url), archive);
console.log(`${target}: ${(archive.length / 1e6).toFixed(2)} MB`);
