/**
 * What the server and its clients both know: the settings, and the names and payloads of the custom messages.
 *
 * Deliberately lacks: behaviour, and any dependency on an LSP library.
 */
export * from './protocol.ts';
export * from './report.ts';
export * from './settings.ts';
