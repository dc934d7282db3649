import { expect } from 'chai';
import type { Asked } from '../../../../src/agent/transport/registry/endpoint-connections.ts';
import { createTokenSource } from '../../../../src/agent/transport/registry/tokens.ts';
import { reasonOf, TransientError } from '../../../../src/domain/errors.ts';

describe('where a registry has its tokens', () => {
  const asked: { url: string; asked: Asked }[] = [];
  beforeEach(() => asked.splice(0));

  /** Tells why nothing was asked for, or that something was. */
  const ending = (registry: string, params: Record<string, string>) =>
    createTokenSource({
      connections: () => ({
        isOwn: () => false,
        send: async (url, question) => {
          asked.push({ url: url.href, asked: question });
          throw new TransientError('DownloadFailed', 'nobody is there');
        },
        close: async () => undefined,
      }),
      base: () => new URL(registry),
      repository: 'a/b',
    })(
      { scheme: 'bearer', params: new Map(Object.entries(params)) },
      { kind: 'password', user: 'u', password: 'p' },
      new AbortController().signal,
    ).catch(error => (asked.length > 0 ? 'asked' : reasonOf(error)));

  for (const [registry, realm, want] of [
    ['https://h.example/v2', 'https://tokens.example/t', 'asked'],
    ['https://h.example/v2', 'http://tokens.example/t', 'InsecureAddress'],
    ['https://h.example/v2', 'http://h.example/t', 'InsecureAddress'],
    ['https://h.example/v2', 'http://127.0.0.1/t', 'InsecureAddress'],
    ['http://h.example/v2', 'http://tokens.example/t', 'asked'],
    ['https://127.0.0.1/v2', 'http://127.0.0.1:5001/t', 'asked'],
    ['https://127.0.0.1/v2', 'http://tokens.example/t', 'InsecureAddress'],
    ['http://127.0.0.1/v2', 'http://tokens.example/t', 'asked'],
    ['https://h.example/v2', 'https://u:p@tokens.example/t', 'AccessDenied'],
    ['https://h.example/v2', '/t', 'AccessDenied'],
    ['https://h.example/v2', '', 'AccessDenied'],
  ] as const)
    it(`${registry} at ${realm || 'nowhere'}: ${want}`, async () =>
      expect(await ending(registry, { realm })).to.equal(want));

  it('is asked for no more than pulling, unless the registry says what it wants', async () => {
    await ending('https://h.example/v2', { realm: 'https://t.example/t?x=1', service: 's&t' });
    await ending('https://h.example/v2', {
      realm: 'https://t.example/t',
      scope: 'repository:mirror/a/b:pull',
    });
    expect(asked.map(({ url }) => [...new URL(url).searchParams])).to.deep.equal([
      [
        ['x', '1'],
        ['service', 's&t'],
        ['scope', 'repository:a/b:pull'],
      ],
      [['scope', 'repository:mirror/a/b:pull']],
    ]);
  });
});
