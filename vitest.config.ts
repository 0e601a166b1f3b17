import { defineConfig } from 'vitest/config';

export default defineConfig({
	test: {
		include: ['test/**/*.test.ts'],
		benchmark: { include: ['test/bench/**/*.bench.ts'] },
		testTimeout: 60_000,
		hookTimeout: 120_000,
		// Model tests are threads themselves; two test files at a time keep a small machine responsive.
		maxWorkers: 2,
		pool: 'forks',
		// As the server's entry point does.
		env: { ORT_DISABLE_TELEMETRY: '1' },
	},
});
