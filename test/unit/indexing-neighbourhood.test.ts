import { expect, test } from 'vitest';
import { createPowerSource } from '../../server/base/power.ts';
import { importsOf } from '../../server/indexing/neighbourhood.ts';
import { createManualClock } from '../support/fakes.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

const FILES = [
	'src/app/main.ts',
	'src/app/shapes.ts',
	'src/lib/index.ts',
	'src/lib/util.service.ts',
	'pkg/core/__init__.py',
	'pkg/core/model.py',
	'pkg/core/base.py',
	'pkg/tool.py',
	'include/vec.h',
	'src/com/acme/Widget.java',
	'src/engine/mod.rs',
	'src/engine/loop.rs',
];

test.each([
	['src/app/main.ts', "import { a } from './shapes.js';\nexport * from '../lib';\n", ['src/app/shapes.ts', 'src/lib/index.ts']],
	[
		'src/app/main.ts',
		"const u = require('../lib/util.service');\nawait import('./shapes');",
		['src/app/shapes.ts', 'src/lib/util.service.ts'],
	],
	['pkg/tool.py', 'from pkg.core.model import M\nimport pkg.core.base\n', ['pkg/core/base.py', 'pkg/core/model.py']],
	['pkg/core/model.py', 'from . import base\nfrom ..tool import run as r\n', ['pkg/core/base.py', 'pkg/tool.py']],
	['src/a.c', '#include "../include/vec.h"\n#include <stdio.h>\n', ['include/vec.h']],
	['src/a.c', '#include <vec.h>\n', ['include/vec.h']],
	['src/com/acme/Main.java', 'import com.acme.Widget;\n', ['src/com/acme/Widget.java']],
	['src/main.rs', 'mod engine;\nuse crate::engine::loop;\n', ['src/engine/loop.rs', 'src/engine/mod.rs']],
	['src/app/main.ts', "// nothing 'from' here\nimport x from 'lodash';\n", []],
])('imports of %s: %j', (path, text, expected) => {
	expect(FILES.filter(importsOf(path, text)).sort()).toEqual(expected);
});

test('on battery: a discharging battery of the machine and no mains; looked up twice a minute at most', () => {
	const clock = createManualClock();
	const folder = temporaryFolder({ 'BAT0/type': 'Battery\n', 'BAT0/status': 'Discharging\n', 'AC/type': 'Mains\n', 'AC/online': '0\n' });
	const power = createPowerSource({ clock, folder });
	expect(power.onBattery()).toBe(true);
	writeFiles(folder, { 'AC/online': '1\n' });
	expect(power.onBattery()).toBe(true);
	clock.advance(30_000);
	expect(power.onBattery()).toBe(false);

	const mouse = temporaryFolder({ 'hid/type': 'Battery\n', 'hid/scope': 'Device\n', 'hid/status': 'Discharging\n' });
	expect(createPowerSource({ clock, folder: mouse }).onBattery()).toBe(false);
	expect(createPowerSource({ clock, folder: `${folder}/missing` }).onBattery()).toBe(false);
});
