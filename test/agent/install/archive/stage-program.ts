// Puts an image onto slot B in a process of its own, which can be killed: `stage-program.ts ROOT PLAN`.
import { StagingHost } from '../staging.ts';

const [root = '', plan = ''] = process.argv.slice(2);
await new StagingHost(root).stage(JSON.parse(plan));
