/** Who may push and pull where a registry asks for a password. */
export const REGISTRY_USER = 'puller';
/** The password of {@link REGISTRY_USER}. */
export const REGISTRY_PASSWORD = 'registry-password';
