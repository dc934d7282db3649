import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isLoopbackHost, isMetadataAddress } from '../../../domain/address.ts';
import { StalledError } from '../../../domain/errors.ts';

/** Where a registry must not send this machine: to itself, and to what hands out its credentials. */
const isForbidden = (host: string): boolean => isLoopbackHost(host) || isMetadataAddress(host);

/**
 * Refuses an address that a registry elsewhere leads to, if it is this machine's own or a cloud's metadata service.
 * @throws StalledError `AddressForbidden`
 */
export function assertForeign(url: URL): void {
  if (isForbidden(url.hostname)) throw forbidden(url.hostname);
}

/** Finds a name's addresses, and refuses those that {@link assertForeign} refuses. */
export const guardedLookup: LookupFunction = (host, options, callback) => {
  dnsLookup(host, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    if (error !== null || first === undefined) return callback(error, '', 0);
    if (addresses.some(({ address }: LookupAddress) => isForbidden(address)))
      return callback(forbidden(host), '', 0);
    if (options.all === true) return callback(null, addresses);
    callback(null, first.address, first.family);
  });
};

const forbidden = (host: string): StalledError =>
  new StalledError(
    'AddressForbidden',
    `the registry leads to ${host}, which is this machine itself or hands out its credentials: nothing is asked there`,
  );
