import { StalledError } from '../../domain/errors.ts';

/** How often a redirect is followed. */
export const MAX_REDIRECTS = 5;

/** An address without the parts that may be secret: user, password and query. */
export const publicAddress = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

/**
 * Reads an image's address and refuses one that may not be fetched.
 * @throws StalledError `AddressUnsupported`, `InsecureAddress`
 */
export function checkAddress(address: string, flagSafe: boolean): URL {
  if (!URL.canParse(address)) {
    throw new StalledError(
      'AddressUnsupported',
      `${JSON.stringify(address)} is no address: give http(s)://…`,
    );
  }
  const url = new URL(address);
  if (url.protocol === 'oci:') {
    throw new StalledError(
      'AddressUnsupported',
      `${publicAddress(url)} is an image of a registry: name it as the reference of the image, not as its url`,
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new StalledError(
      'AddressUnsupported',
      `addresses of the kind ${url.protocol}// are not supported: give an http(s) address`,
    );
  }
  if (url.protocol === 'http:' && !flagSafe) {
    throw new StalledError(
      'InsecureAddress',
      `the address ${publicAddress(url)} is insecure: use https, or set flagSafe: true for the image`,
    );
  }
  return url;
}

/**
 * Where a redirect leads, if it may be followed.
 * @param location the answer's Location, absolute or relative
 * @throws StalledError `InsecureAddress` for https to http, `TooManyRedirects`, `AddressUnsupported`
 */
export function checkRedirect(from: URL, location: string, followed: number, flagSafe: boolean): URL {
  if (followed >= MAX_REDIRECTS) {
    throw new StalledError(
      'TooManyRedirects',
      `${publicAddress(from)} redirects again after ${MAX_REDIRECTS} redirects: give the final address`,
    );
  }
  if (!URL.canParse(location, from.href)) {
    throw new StalledError(
      'AddressUnsupported',
      `${publicAddress(from)} redirects to something that is no address`,
    );
  }
  const to = new URL(location, from);
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new StalledError(
      'InsecureAddress',
      `${publicAddress(from)} redirects from https to http (${publicAddress(to)}), which is insecure: ` +
        'give the final https address',
    );
  }
  return checkAddress(to.href, flagSafe);
}
