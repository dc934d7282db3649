// Reveals the filled file system in FILE, in a process of its own that can lose power: `reveal-program.ts FILE LABEL`.
import { open } from 'node:fs/promises';
import { revealFileSystem } from '../../../../src/agent/install/archive/reveal.ts';

const [path = '', label = ''] = process.argv.slice(2);
const handle = await open(path, 'r+');
await revealFileSystem(handle, label);
