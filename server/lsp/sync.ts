/**
 * Documents and folders: saves and file events go to the index, which also learns what the user has open and when it may have
 * missed something; closed documents are forgotten.
 */
import { pathToFileURL } from 'node:url';
import { FOCUS_NOTIFICATION } from 'hef-shared';
import type { DidChangeWatchedFilesParams, InitializeParams } from 'vscode-languageserver';
import { messageOf } from '../base/errors.ts';
import type { ServerState } from './server.ts';

/** A document opened after so long without any event stands for the user's return, in editors that do not tell of it. */
const AWAY_MS = 60_000;

/** @returns what to do once the client is initialized */
export function registerSync(
	{ connection, documents, session, suggester, logger, capabilities }: ServerState,
	params: InitializeParams,
): () => void {
	for (const uri of rootsOf(params)) void session.addFolder(uri);

	const update = (uris: readonly string[], reason: string) => {
		const byFolder = new Map<string, string[]>();
		for (const uri of uris) {
			const { folder, path } = session.locate(uri);
			if (folder !== undefined) byFolder.set(folder, [...(byFolder.get(folder) ?? []), path]);
		}
		const { services } = session;
		for (const [folder, paths] of byFolder) {
			services?.update(folder, paths, reason).catch((error: unknown) => {
				// Closing the folder ends what was asked for it, and so does a stop of the services.
				const isOpen = session.services === services && uris.some((uri) => session.locate(uri).folder === folder);
				if (isOpen) logger.error(`${folder}: ${messageOf(error)}`);
			});
		}
	};

	/** The document that the user touched last comes first. */
	const open: string[] = [];
	/** By the clock that goes on while the machine sleeps. Whoever sets it costs one comparison more. */
	let touchedAt = Date.now();
	const touch = (uri: string) => {
		touchedAt = Date.now();
		if (open[0] === uri) return;
		if (open.includes(uri)) open.splice(open.indexOf(uri), 1);
		open.unshift(uri);
		session.setOpenDocuments(open);
	};

	documents.onDidOpen(({ document }) => {
		const wasAway = Math.abs(Date.now() - touchedAt) > AWAY_MS;
		touch(document.uri);
		if (wasAway) session.reconcile('focus');
	});
	documents.onDidChangeContent(({ document }) => touch(document.uri));
	connection.onNotification(FOCUS_NOTIFICATION, () => session.reconcile('focus'));
	documents.onDidSave(({ document }) => update([document.uri], 'save'));
	documents.onDidClose(({ document }) => {
		open.splice(open.indexOf(document.uri), 1);
		session.setOpenDocuments(open);
		suggester.forget(document.uri);
		session.services?.forget(document.uri);
	});
	connection.onDidChangeWatchedFiles(({ changes }: DidChangeWatchedFilesParams) =>
		update(
			changes.map(({ uri }) => uri),
			'watch',
		),
	);
	return () => {
		if (!capabilities.workspace?.workspaceFolders) return;
		connection.workspace.onDidChangeWorkspaceFolders(({ added, removed }) => {
			for (const { uri } of removed) void session.removeFolder(uri);
			for (const { uri } of added) void session.addFolder(uri);
		});
	};
}

/** The folders that the client has open, in whichever of the protocol's three generations it says so. */
function rootsOf({ workspaceFolders, rootUri, rootPath }: InitializeParams): string[] {
	if (workspaceFolders && workspaceFolders.length > 0) return workspaceFolders.map(({ uri }) => uri);
	if (rootUri) return [rootUri];
	return rootPath ? [pathToFileURL(rootPath).href] : [];
}
