import { expect } from 'chai';
import { createAuthorizer } from '../../../../src/agent/transport/registry/authorizer.ts';
import { parseChallenges } from '../../../../src/agent/transport/registry/challenge.ts';
import type { Credential } from '../../../../src/agent/transport/registry/credentials.ts';

const BEARER = parseChallenges('Bearer realm="https://t"');
const BASIC = parseChallenges('Basic realm="r"');
const password = (user: string): Credential => ({ kind: 'password', user, password: 'p' });
const ANONYMOUS: Credential = { kind: 'anonymous' };
const basic = (user: string): string => `Basic ${Buffer.from(`${user}:p`).toString('base64')}`;
const { signal } = new AbortController();

describe('the way into a registry', () => {
  /** What is shown for one request that is refused until `letIn` is shown. */
  const attempt = async (
    authorizer: ReturnType<typeof createAuthorizer>,
    challenges: typeof BEARER,
    letIn: string | undefined,
  ) => {
    const shown = [authorizer.header()];
    const attempts = authorizer.attempts();
    while (shown.at(-1) !== letIn && (await attempts.next(challenges, signal)))
      shown.push(authorizer.header());
    return shown;
  };
  let given = 0;
  const tokens = (refused: readonly string[]) => async (_: unknown, credential: Credential) => {
    const who = credential.kind === 'password' ? credential.user : credential.kind;
    return refused.includes(who) ? undefined : `${who}-${++given}`;
  };
  beforeEach(() => {
    given = 0;
  });

  it('shows nothing until it is asked', async () => {
    const authorizer = createAuthorizer([password('a'), ANONYMOUS], tokens([]));
    expect(await attempt(authorizer, BEARER, undefined)).to.deep.equal([undefined]);
    expect(given).to.equal(0);
  });

  it('shows one password after the other, and stays with the one that lets in', async () => {
    const authorizer = createAuthorizer([password('a'), password('b'), password('c'), ANONYMOUS], tokens([]));
    expect(await attempt(authorizer, BASIC, basic('b'))).to.deep.equal([undefined, basic('a'), basic('b')]);
    expect(await attempt(authorizer, BASIC, basic('b'))).to.deep.equal([basic('b')]);
  });

  it('passes by whom the token server refuses', async () => {
    const authorizer = createAuthorizer([password('a'), password('b'), ANONYMOUS], tokens(['a', 'b']));
    expect(await attempt(authorizer, BEARER, 'Bearer anonymous-1')).to.deep.equal([
      undefined,
      'Bearer anonymous-1',
    ]);
  });

  it('replaces a token that has expired, once for a request', async () => {
    const authorizer = createAuthorizer([password('a'), ANONYMOUS], tokens([]));
    await attempt(authorizer, BEARER, 'Bearer a-1');
    expect(await attempt(authorizer, BEARER, 'Bearer a-2')).to.deep.equal(['Bearer a-1', 'Bearer a-2']);
    expect(await attempt(authorizer, BEARER, 'never')).to.deep.equal([
      'Bearer a-2',
      'Bearer a-3',
      'Bearer anonymous-4',
    ]);
  });

  it('begins from the first password after all were refused', async () => {
    const authorizer = createAuthorizer([password('a'), ANONYMOUS], tokens([]));
    await attempt(authorizer, BEARER, 'never');
    expect(await attempt(authorizer, BEARER, 'never')).to.deep.equal([
      undefined,
      'Bearer a-3',
      'Bearer anonymous-4',
    ]);
  });

  it('knows what was asked for when a later refusal does not say', async () => {
    const authorizer = createAuthorizer([password('a')], tokens([]));
    await attempt(authorizer, BASIC, basic('a'));
    expect(await attempt(authorizer, [], 'never')).to.deep.equal([basic('a'), basic('a')]);
  });

  it('has nothing to show for other ways, and nothing that breaks a header', async () => {
    const other = createAuthorizer([password('a'), ANONYMOUS], tokens([]));
    expect(await attempt(other, parseChallenges('Negotiate'), 'never')).to.deep.equal([undefined]);
    for (const token of ['a\r\nx-evil: 1', 'a b', 'ä', ''])
      expect(
        await createAuthorizer([ANONYMOUS], async () => token)
          .attempts()
          .next(BEARER, signal)
          .then(() => 'shown', String),
      ).to.contain('characters that no token has');
  });
});
