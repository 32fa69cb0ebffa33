/** Of sysexits.h: EX_USAGE, the arguments are wrong; EX_CONFIG, the environment is. */
export const EXIT_USAGE = 64
export const EXIT_CONFIG = 78
