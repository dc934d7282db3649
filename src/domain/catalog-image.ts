import type { PinnedImage } from '../api/monok8s/index.ts';
import { isLoopbackHost } from './address.ts';
import { malformed, textOf, type YamlRecord } from './catalog-document.ts';
import { StalledError } from './errors.ts';
import { parseImageReference } from './image-reference.ts';
import { REGISTRY_SCHEME } from './plan-image.ts';

const CERTIFICATE_FIELDS = ['caCert', 'clientCert', 'clientKey'] as const;

/** One entry, not judged yet. `version` is empty if the entry names none. */
export interface CatalogImage extends YamlRecord {
  readonly version: string;
}

/**
 * Checks one entry of a catalog and gives it in the form that a plan carries.
 * @throws StalledError `AddressInvalid`, `ReferenceInvalid`, `InsecureAddress`, `ChecksumInvalid`,
 *   `CertificateInvalid`, `CatalogMalformed`
 */
export function pinImage(entry: CatalogImage): Omit<PinnedImage, 'version'> {
  const flagSafe = flagOf(entry);
  const certificates = certificatesOf(entry);
  const size = sizeOf(entry);
  const url = urlOf(entry, flagSafe === true);
  const checksum = checksumOf(entry, url);
  return {
    url,
    ...(checksum === undefined ? {} : { checksum }),
    ...(size === undefined ? {} : { size }),
    ...(flagSafe === undefined ? {} : { flagSafe }),
    ...certificates,
  };
}

const refuse = (reason: string, entry: CatalogImage, field: string, message: string): StalledError =>
  new StalledError(reason, `${nameOf(entry, field)} ${message}`);

const nameOf = (entry: CatalogImage, field: string): string =>
  `"${field}" of ${entry.version} in the catalog (${entry.where(field)})`;

function urlOf(entry: CatalogImage, isFlaggedSafe: boolean): string {
  const text = textOf(entry.fields.url);
  if (text.startsWith(REGISTRY_SCHEME)) {
    parseImageReference(text, nameOf(entry, 'url'));
    return text;
  }
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw refuse('AddressInvalid', entry, 'url', 'must begin with https://, http:// or oci://');
  }
  if (url.username !== '' || url.password !== '') {
    throw refuse(
      'AddressInvalid',
      entry,
      'url',
      'must not hold a user name or password: anyone may read them',
    );
  }
  if (url.protocol === 'http:' && !isFlaggedSafe && !isLoopbackHost(url.hostname)) {
    throw refuse(
      'InsecureAddress',
      entry,
      'url',
      'is plain http: serve it over https, or set "flagSafe: true" beside it',
    );
  }
  return text;
}

/** What comes from a registry is checked by digests all the way down: a checksum only says which image a tag means. */
function checksumOf(entry: CatalogImage, url: string): string | undefined {
  const checksum = textOf(entry.fields.checksum).toLowerCase();
  const isInRegistry = url.startsWith(REGISTRY_SCHEME);
  if (checksum === '' && isInRegistry) return undefined;
  if (/^sha256:[0-9a-f]{64}$/.test(checksum)) return checksum;
  throw refuse(
    'ChecksumInvalid',
    entry,
    'checksum',
    isInRegistry
      ? 'must be the digest of the image: sha256: and 64 hex digits, or left out'
      : 'must be sha256: and the 64 hex digits that sha256sum prints for the file at "url"',
  );
}

function sizeOf(entry: CatalogImage): number | undefined {
  const text = entry.fields.size;
  if (text === undefined || text === '') return undefined;
  const size = typeof text === 'string' && /^[1-9][0-9]*$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(size)) return size;
  throw malformed(
    entry.where('size'),
    `"size" of ${entry.version} must be the bytes of the expanded image, a whole number of at least 1`,
  );
}

function flagOf(entry: CatalogImage): boolean | undefined {
  const text = textOf(entry.fields.flagSafe).toLowerCase();
  if (entry.fields.flagSafe === undefined || entry.fields.flagSafe === '') return undefined;
  if (text === 'true' || text === 'false') return text === 'true';
  throw malformed(entry.where('flagSafe'), `"flagSafe" of ${entry.version} must be true or false`);
}

function certificatesOf(entry: CatalogImage): Pick<PinnedImage, (typeof CERTIFICATE_FIELDS)[number]> {
  const named = CERTIFICATE_FIELDS.flatMap(field => {
    const value = entry.fields[field];
    if (value === undefined || value === '') return [];
    if (typeof value === 'string' && /^[\w.-]+$/.test(value) && !/^\.+$/.test(value)) return [[field, value]];
    throw refuse(
      'CertificateInvalid',
      entry,
      field,
      "must be the name of a file in the node's certificate folder",
    );
  });
  const certificates: Pick<PinnedImage, (typeof CERTIFICATE_FIELDS)[number]> = Object.fromEntries(named);
  if ((certificates.clientCert === undefined) !== (certificates.clientKey === undefined)) {
    const missing = certificates.clientCert === undefined ? 'clientCert' : 'clientKey';
    throw refuse(
      'CertificateInvalid',
      entry,
      missing,
      'is missing: clientCert and clientKey belong together',
    );
  }
  return certificates;
}
