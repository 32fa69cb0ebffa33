/** Which projects may not be used any more, by everybody or by one user. */
export type Permissions = {
  allows(user: string, project: string): boolean
  /** Without a user: from everybody. */
  withdraw(project: string, user?: string): void
  /** Without a user: to everybody, whoever it was withdrawn from. */
  restore(project: string, user?: string): void
  clear(): void
}

export function createPermissions(): Permissions {
  /** By project; '' stands for everybody. */
  const withdrawn = new Map<string, Set<string>>()
  return {
    allows: (user, project) => {
      const users = withdrawn.get(project)
      return users === undefined || !(users.has('') || users.has(user))
    },
    withdraw: (project, user = '') => {
      const users = withdrawn.get(project) ?? new Set()
      withdrawn.set(project, users.add(user))
    },
    restore: (project, user) => {
      if (user === undefined) withdrawn.delete(project)
      else withdrawn.get(project)?.delete(user)
    },
    clear: () => withdrawn.clear(),
  }
}
