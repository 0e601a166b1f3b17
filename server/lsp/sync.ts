/** Documents and folders: saves and file events go to the index, closed documents are forgotten. */
import type { DidChangeWatchedFilesParams, InitializeParams } from 'vscode-languageserver';
import { messageOf } from '../base/errors.ts';
import type { ServerState } from './server.ts';

/** @returns what to do once the client is initialized */
export function registerSync(
	{ connection, documents, session, suggester, logger, capabilities }: ServerState,
	params: InitializeParams,
): () => void {
	const folders = params.workspaceFolders?.map(({ uri }) => uri) ?? (params.rootUri ? [params.rootUri] : []);
	for (const uri of folders) void session.addFolder(uri);

	const update = (uris: readonly string[], reason: string) => {
		const byFolder = new Map<string, string[]>();
		for (const uri of uris) {
			const { folder, path } = session.locate(uri);
			if (folder !== undefined) byFolder.set(folder, [...(byFolder.get(folder) ?? []), path]);
		}
		for (const [folder, paths] of byFolder) {
			session.services?.update(folder, paths, reason).catch((error: unknown) => logger.error(`${folder}: ${messageOf(error)}`));
		}
	};

	documents.onDidSave(({ document }) => update([document.uri], 'save'));
	documents.onDidClose(({ document }) => {
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
