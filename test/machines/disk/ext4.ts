import { runProgram } from '../../env/node/run-program.ts';

/** Where an ext4 file system is made. */
export interface Ext4Options {
  /** A plain file; may exist. */
  readonly path: string;
  /** Bytes before it in the file. Default 0. */
  readonly offset?: number;
  readonly sizeBytes: number;
  readonly label: string;
  /** Folder whose content it gets; owners as they are. */
  readonly tree: string;
}

/**
 * Features that GRUB 2.06 reads: what mkfs.ext4 took by default until 1.46. Later defaults (`orphan_file`,
 * `metadata_csum_seed`) keep GRUB from the whole file system.
 */
const FEATURES = [
  'none,sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr',
  'has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize',
].join(',');

/** Makes an ext4 file system that is filled from a folder, at any place of a sparse file. */
export async function makeExt4(options: Ext4Options): Promise<void> {
  const extended = [
    `offset=${options.offset ?? 0}`,
    'nodiscard',
    // Nothing is left for the kernel to write at the first mount; zeros are holes here, so it costs nothing.
    'lazy_itable_init=0',
    'lazy_journal_init=0',
  ].join(',');
  const blocks = `${Math.floor(options.sizeBytes / 1024)}k`;
  const how = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-b',
    '4096',
    '-I',
    '256',
    '-m',
    '0',
    '-O',
    FEATURES,
    '-E',
    extended,
  ];
  await runProgram('mke2fs', ...how, '-L', options.label, '-d', options.tree, options.path, blocks);
}
