/** Reports as read-only pages beside the editor. A page that is open is renewed in place. */
import { EventEmitter, Uri, ViewColumn, window, workspace } from 'vscode';
import type { Features } from './features.ts';

const SCHEME = 'hef-report';

export interface ReportView {
	/** @param text Markdown */
	show(title: string, text: string): Promise<void>;
}

export function createReportView(context: Features['context']): ReportView {
	const texts = new Map<string, string>();
	const changed = new EventEmitter<Uri>();
	const provider = {
		onDidChange: changed.event,
		provideTextDocumentContent: (uri: Uri) => texts.get(uri.path) ?? '',
	};
	context.subscriptions.push(changed, workspace.registerTextDocumentContentProvider(SCHEME, provider));
	return {
		async show(title, text) {
			const uri = Uri.from({ scheme: SCHEME, path: `/${title}.md` });
			texts.set(uri.path, text);
			changed.fire(uri);
			await window.showTextDocument(uri, { viewColumn: ViewColumn.Beside, preview: true, preserveFocus: true });
		},
	};
}
