// Import for its effect: programs in /usr/sbin (debugfs, mkfs.ext4) are found by name by a plain user too.
import { delimiter } from 'node:path';
import { programFolders } from './paths.mjs';

process.env.PATH = [...new Set(programFolders())].join(delimiter);
