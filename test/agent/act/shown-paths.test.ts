import { expect } from 'chai';
import { createShowPaths } from '../../../src/agent/act/shown-paths.ts';

describe('paths that are told', () => {
  for (const { name, hostRoot, text, want } of [
    {
      name: 'leave out the folder that has the host’s root',
      hostRoot: '/host',
      text: 'mend /host/boot/grub2/grubenv (or /host/boot): grub-editenv /host/boot/grub2/grubenv create',
      want: 'mend /boot/grub2/grubenv (or /boot): grub-editenv /boot/grub2/grubenv create',
    },
    {
      name: 'are not cut in their middle',
      hostRoot: '/host/',
      text: '/srv/host/a ./host/b',
      want: '/srv/host/a ./host/b',
    },
    {
      name: 'are not cut in a name',
      hostRoot: '/host',
      text: '/hosts/a and /host',
      want: '/hosts/a and /host',
    },
    { name: 'stay where the agent runs on the host itself', hostRoot: '/', text: '/boot/x', want: '/boot/x' },
  ])
    it(name, () => expect(createShowPaths(hostRoot)(text)).to.equal(want));
});
