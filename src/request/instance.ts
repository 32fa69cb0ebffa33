/** The error code of an instance that CloudDC does not know, or does not know any more. */
export const INSTANCE_NOT_FOUND = 'instance_not_found'
