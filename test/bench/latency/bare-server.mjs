/** The least that a language server in Node can be: what `initialize` costs without any of ours. */
import { createConnection } from 'vscode-languageserver/node';

const connection = createConnection(process.stdin, process.stdout);
connection.onInitialize(() => ({ capabilities: {} }));
connection.onExit(() => process.exit(0));
connection.listen();
