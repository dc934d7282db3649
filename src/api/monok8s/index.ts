export * from './names.ts';
export * from './osupgrade.ts';
export * from './osupgradeprogress.ts';
