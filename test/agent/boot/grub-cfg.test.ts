import { expect } from 'chai';
import { findEntry, lacksForTrial, parseMenuEntries } from '../../../src/agent/boot/grub-cfg.ts';

const HONOURS = `
if [ -f \${config_directory}/grubenv ]; then
  load_env -f \${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="\${saved_entry}"
fi
`;

const KUBEOS = `${HONOURS}
menuentry 'A' --class KubeOS --class gnu-linux $menuentry_id_option 'KubeOS-A' {
	load_video
	if [ x$feature_platform_search_hint = xy ]; then
	  search --no-floppy --label ROOT-A --set=root
	fi
        linux   /boot/vmlinuz root=/dev/vda2 ro rootfstype=ext4 quiet
        initrd  /boot/initramfs.img
}
menuentry "B" --id "KubeOS-B" {
	search --no-floppy --set=root --label ROOT-B
	linuxefi /boot/vmlinuz root=/dev/vda3 ro # { not a block }
	initrdefi /boot/ucode.img /boot/initramfs.img
}
submenu 'More' {
	menuentry 'inner' {
		linux /x
	}
}
menuentry 'last' { linux /y }
`;

describe('grub.cfg', () => {
  it('finds titles, ids, places, files and labels', () => {
    expect(parseMenuEntries(KUBEOS)).to.deep.equal([
      {
        title: 'A',
        id: 'KubeOS-A',
        index: 0,
        files: ['/boot/vmlinuz', '/boot/initramfs.img'],
        searchLabel: 'ROOT-A',
        isRootByUuid: false,
      },
      {
        title: 'B',
        id: 'KubeOS-B',
        index: 1,
        files: ['/boot/vmlinuz', '/boot/ucode.img', '/boot/initramfs.img'],
        searchLabel: 'ROOT-B',
        isRootByUuid: false,
      },
      { title: 'last', id: undefined, index: 3, files: [], searchLabel: undefined, isRootByUuid: false },
    ]);
  });

  for (const value of ['B', 'KubeOS-B', '1']) {
    it(`knows the entry that ${value} means`, () => {
      expect(findEntry(parseMenuEntries(KUBEOS), value)?.title).to.equal('B');
    });
  }

  it('knows no other', () => expect(findEntry(parseMenuEntries(KUBEOS), '7')).to.equal(undefined));

  it('takes a configuration that honours next_entry', () => expect(lacksForTrial(HONOURS)).to.deep.equal([]));

  for (const { what, config, lacks } of [
    { what: 'no environment', config: HONOURS.replaceAll('load_env', 'true'), lacks: 'load_env' },
    {
      what: 'an environment limited to other names',
      config: HONOURS.replaceAll(/load_env.*/g, 'load_env saved_entry next_entry'),
      lacks: 'load_env',
    },
    {
      what: 'no default from it',
      config: HONOURS.replace('default="${next', 'x="${next'),
      lacks: 'set default',
    },
    { what: 'no clearing', config: HONOURS.replace('set next_entry=\n', '\n'), lacks: 'set next_entry' },
    {
      what: 'no saving',
      config: HONOURS.replace('save_env next_entry', '# save_env next_entry'),
      lacks: 'save_env',
    },
  ]) {
    it(`names what is missing: ${what}`, () => {
      const found = lacksForTrial(config);
      expect(found).to.have.length(1);
      expect(found[0]).to.contain(lacks);
    });
  }
});
