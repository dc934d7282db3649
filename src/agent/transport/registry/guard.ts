import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { isLoopbackHost, isMetadataAddress } from '../../../domain/address.ts';
import { StalledError } from '../../../domain/errors.ts';

/** Connections to no address in particular reach this machine. */
const UNSPECIFIED = new BlockList();
UNSPECIFIED.addSubnet('0.0.0.0', 8, 'ipv4');
UNSPECIFIED.addAddress('::', 'ipv6');

const isUnspecified = (host: string): boolean => {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(address);
  return family !== 0 && UNSPECIFIED.check(address, family === 6 ? 'ipv6' : 'ipv4');
};

/** Where a registry may lead this machine to. */
export interface Guard {
  /** @throws StalledError `AddressForbidden` */
  check(url: URL): void;
  /** Finds a name's addresses, and refuses those that `check` refuses. */
  readonly lookup: LookupFunction;
}

/**
 * Keeps a registry from leading this machine to what hands out the machine's credentials, and one that is elsewhere
 * from leading it to itself. The registry's own host is its administrator's choice.
 */
export function createGuard(registryHost: string): Guard {
  const isLocal = isLoopbackHost(registryHost);
  const isForbidden = (host: string): boolean =>
    isMetadataAddress(host) || (!isLocal && (isLoopbackHost(host) || isUnspecified(host)));
  return {
    check: url => {
      if (url.hostname !== registryHost && isForbidden(url.hostname)) throw forbidden(url.hostname);
    },
    lookup: (host, options, callback) => {
      dnsLookup(host, { ...options, all: true }, (error, addresses) => {
        const [first] = addresses ?? [];
        if (error !== null || first === undefined) return callback(error, '', 0);
        const isBad = addresses.some(({ address }: LookupAddress) => isForbidden(address));
        if (isBad && host !== registryHost) return callback(forbidden(host), '', 0);
        if (options.all === true) return callback(null, addresses);
        callback(null, first.address, first.family);
      });
    },
  };
}

const forbidden = (host: string): StalledError =>
  new StalledError(
    'AddressForbidden',
    `the registry leads to ${host}, which is this machine itself or hands out its credentials: nothing is asked there`,
  );
