import { renderGuard } from '../../../src/agent/guard/render.ts';
import { writeGuard } from '../../../src/agent/guard/slot-files.ts';
import { mountSlot } from '../../../src/agent/install/archive/mounted-slot.ts';
import { FACTS } from './script-world.ts';

// An agent that ends, as the power or a person ends it, between the write and the flush.
const [path = ''] = process.argv.slice(2);
const mounted = await mountSlot({ path, kind: 'file' }, 'fill');
await writeGuard(mounted.root, renderGuard(FACTS));
process.kill(process.pid, 'SIGKILL');
