import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentConfig } from '../../src/agent/config.ts';
import { readAgentConfig } from '../../src/cli/agent-config.ts';
import { messageOf, reasonOf } from '../../src/domain/errors.ts';

describe("the agent's configuration file", () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'agent-config-'));
  });
  after(() => rm(dir, { recursive: true }));

  const read = async (text: string) => {
    const file = join(dir, 'agent.yaml');
    await writeFile(file, text);
    return readAgentConfig(file);
  };
  const refused = (text: string): Promise<unknown> =>
    read(text).then(
      () => undefined,
      error => error,
    );

  it('may be missing in its usual place, without its folder too', async () => {
    const empty = await mkdtemp(join(dir, 'empty-'));
    for (const file of [join(empty, 'agent.yaml'), join(dir, 'nowhere', 'agent.yaml')])
      expect(await readAgentConfig(undefined, '/', file)).to.deep.equal(AgentConfig.parse({}));
  });
  it('may be missing beside the Secret of the registries', async () => {
    const folder = await mkdtemp(join(dir, 'secret-'));
    await mkdir(join(folder, 'registry'));
    expect(await readAgentConfig(undefined, '/', join(folder, 'agent.yaml'))).to.deep.equal(
      AgentConfig.parse({}),
    );
  });
  it('may not be missing if it was named', async () => {
    const error = await readAgentConfig(join(dir, 'none.yaml')).catch(caught => caught);
    expect(reasonOf(error)).to.equal('ConfigInvalid');
    expect(messageOf(error)).to.contain('none.yaml');
  });
  it('may not be missing beside settings of another name', async () => {
    const folder = await mkdtemp(join(dir, 'misnamed-'));
    await writeFile(join(folder, 'config.yaml'), 'stallSeconds: 5');
    const error = await readAgentConfig(undefined, '/', join(folder, 'agent.yaml')).catch(caught => caught);
    expect(reasonOf(error)).to.equal('ConfigInvalid');
    expect(messageOf(error)).to.contain('config.yaml').and.contain('agent.yaml');
  });
  it('may be empty', async () => expect(await read('# nothing\n')).to.deep.equal(AgentConfig.parse({})));

  it('takes the place of the host from the caller, unless it names one', async () => {
    const file = join(dir, 'host.yaml');
    await writeFile(file, '# nothing');
    expect(await readAgentConfig(file, '/host')).to.include({ hostRoot: '/host' });
    await writeFile(file, 'hostRoot: /mnt');
    expect(await readAgentConfig(file, '/host')).to.include({ hostRoot: '/mnt' });
    const error = await readAgentConfig(file, 'host').catch(caught => caught);
    expect(reasonOf(error)).to.equal('ConfigInvalid');
    expect(messageOf(error)).to.contain('HOST_ROOT');
  });
  it('is read', async () => expect(await read('hostRoot: /host')).to.include({ hostRoot: '/host' }));

  for (const [text, names] of [
    ['stallSeconds: never', 'stallSeconds'],
    ['bootLoader: { type: lilo }', 'bootLoader.type'],
    ['bootLoader: { enviroment: /boot/grubenv }', 'enviroment'],
    ['bootLoader: { type: u-boot, allowPlainSwitch: true }', 'allowPlainSwitch'],
    ['bootLoader: { type: u-boot, variables: { slot: bootcount } }', 'bootLoader.variables'],
    ['bootLoader: { type: u-boot, variables: { slot: "a=b" } }', 'bootLoader.variables.slot'],
    ['bootLoader: { type: u-boot, values: { A: "2", B: "2" } }', 'bootLoader.values'],
    ['bootLoader: { type: u-boot, values: { A: "2; reset", B: "3" } }', 'bootLoader.values.A'],
    ['hostroot: /host', 'hostroot'],
    ['a: [', 'agent.yaml'],
    ['[1]', 'agent.yaml'],
    ['text', 'agent.yaml'],
  ] as const) {
    it(`"${text}" is refused by name`, async () => {
      const error = await refused(text);
      expect(reasonOf(error)).to.equal('ConfigInvalid');
      expect(messageOf(error)).to.contain(names);
    });
  }
});
