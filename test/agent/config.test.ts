import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AgentConfig } from '../../src/agent/config.ts';
import { readAgentConfig } from '../../src/cli/agent.ts';
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

  it('may be missing', async () =>
    expect(await readAgentConfig(join(dir, 'none.yaml'))).to.deep.equal(AgentConfig.parse({})));
  it('may be empty', async () => expect(await read('# nothing\n')).to.deep.equal(AgentConfig.parse({})));
  it('is read', async () => expect(await read('hostRoot: /host')).to.include({ hostRoot: '/host' }));

  for (const [text, names] of [
    ['stallSeconds: never', 'stallSeconds'],
    ['bootLoader: { type: lilo }', 'bootLoader.type'],
    ['hostroot: /host', 'hostroot'],
    ['a: [', 'agent.yaml'],
  ] as const) {
    it(`"${text}" is refused by name`, async () => {
      const error = await refused(text);
      expect(reasonOf(error)).to.equal('ConfigInvalid');
      expect(messageOf(error)).to.contain(names);
    });
  }
});
