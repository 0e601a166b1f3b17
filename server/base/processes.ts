/** Processes of this machine. */

/** Whether a process of this machine is there. */
export function isRunning(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		// Another user's process may not be signalled, but it is there.
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}
