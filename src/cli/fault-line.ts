/** What is wrong with one member, or with the whole where the path is empty. */
export const faultLine = ({ path, message }: { path: string; message: string }): string =>
  path === '' ? message : `${path}: ${message}`
