import { expect } from 'chai';
import { parseHostsToml } from '../../../../src/agent/transport/registry/hosts-toml.ts';
import { messageOf, reasonOf } from '../../../../src/domain/errors.ts';

const read = (text: string) => parseHostsToml(text, 'hosts.toml');
const bases = (text: string) => read(text).map(({ base }) => base?.href);
const refusal = (text: string): string => {
  try {
    read(text);
    return 'read';
  } catch (error) {
    return `${reasonOf(error)}: ${messageOf(error)}`;
  }
};

describe('hosts.toml', () => {
  for (const { what, text, want } of [
    { what: 'nothing', text: '', want: [undefined] },
    { what: 'a server', text: 'server = "https://a.example"', want: ['https://a.example/v2'] },
    {
      what: 'a server without a scheme',
      text: 'server = "a.example:5000"',
      want: ['https://a.example:5000/v2'],
    },
    { what: 'a plain server', text: 'server = "http://a.example"', want: ['http://a.example/v2'] },
    { what: 'a path', text: 'server = "https://a.example/proxy/"', want: ['https://a.example/proxy/v2'] },
    {
      what: 'a path with the version',
      text: 'server = "https://a.example/v2/"',
      want: ['https://a.example/v2'],
    },
    {
      what: 'a path as it is',
      text: 'server = "https://a.example/v2/proxy"\noverride_path = true',
      want: ['https://a.example/v2/proxy'],
    },
    {
      what: 'no path at all',
      text: 'server = "https://a.example"\noverride_path = true',
      want: ['https://a.example/'],
    },
    {
      what: 'mirrors, in their order, before the server',
      text: 'server = "https://z.example"\n[host."https://b.example"]\n[host."http://a.example:1"]\n[host."c.example"]',
      want: ['https://b.example/v2', 'http://a.example:1/v2', 'https://c.example/v2', 'https://z.example/v2'],
    },
    {
      what: 'a mirror and the registry itself',
      text: '[host."https://b.example"]',
      want: ['https://b.example/v2', undefined],
    },
    { what: 'an IPv6 address', text: 'server = "https://[::1]:5000"', want: ['https://[::1]:5000/v2'] },
  ])
    it(`reads ${what}`, () => expect(bases(text)).to.deep.equal(want));

  it('reads what a host can do', () => {
    const [mirror, server] = read('[host."https://b.example"]\ncapabilities = ["pull"]');
    expect([mirror?.canPull, mirror?.canResolve, server?.canPull, server?.canResolve]).to.deep.equal([
      true,
      false,
      true,
      true,
    ]);
    const [none] = read('[host."https://b.example"]\ncapabilities = []');
    expect([none?.canPull, none?.canResolve]).to.deep.equal([false, false]);
  });

  it('reads certificates in each form', () => {
    const client = (value: string) => read(`client = ${value}`)[0]?.clientFiles;
    expect(read('ca = "a.crt"')[0]?.caFiles).to.deep.equal(['a.crt']);
    expect(read('ca = ["/a.crt", "b.crt"]')[0]?.caFiles).to.deep.equal(['/a.crt', 'b.crt']);
    expect(client('"a.pem"')).to.deep.equal([{ cert: 'a.pem', key: 'a.pem' }]);
    expect(client('["a.pem", "b.pem"]')).to.deep.equal([
      { cert: 'a.pem', key: 'a.pem' },
      { cert: 'b.pem', key: 'b.pem' },
    ]);
    expect(client('[["a.cert", "a.key"], ["b.pem", ""]]')).to.deep.equal([
      { cert: 'a.cert', key: 'a.key' },
      { cert: 'b.pem', key: 'b.pem' },
    ]);
  });

  it('names what is not supported', () => {
    const [mirror] = read(
      '[host."https://b.example"]\nskip_verify = true\ndial_timeout = "1s"\nproxy = "http://p"\n[host."https://b.example".header]\nx = "y"',
    );
    expect(mirror?.skipVerify).to.equal(true);
    expect(mirror?.ignored).to.deep.equal(['dial_timeout', 'proxy', 'header']);
  });

  for (const { what, text, says } of [
    { what: 'no TOML', text: 'server = "a"\nserver = = "b"', says: 'line 2' },
    { what: 'another type', text: 'capabilities = "pull"', says: 'capabilities' },
    { what: 'a number for a file', text: '[host."https://b.example"]\nca = 5', says: 'ca' },
    { what: 'another scheme', text: 'server = "ftp://a.example"', says: 'no http(s) address' },
    { what: 'a password', text: 'server = "https://u:hunter2@a.example"', says: 'password' },
    { what: 'no host', text: 'server = "https://"', says: 'no http(s) address' },
  ])
    it(`refuses ${what}, naming the place`, () => {
      expect(refusal(text))
        .to.match(/^RegistryConfigInvalid: hosts\.toml: /)
        .and.to.contain(says);
      expect(refusal(text)).not.to.contain('hunter2');
    });
});
