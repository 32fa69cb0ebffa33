import { flag, project } from '../option.ts'
import { defineVerb } from '../verb.ts'

export const doctor = defineVerb({
  name: 'doctor',
  says: 'looks at everything that an order of a project needs, in the environment of the service; orders nothing',
  role: null,
  places: { project },
  options: {
    now: flag('make the one reading call to CloudDC also while calls of the project are held back'),
  },
  examples: ['doctor project-1'],
  notes: 'Needs the settings of the service itself. npm run doctor does the same.',
  carryOut: async ({ project, now }, { environment, terminal, json }) => {
    // All that the service is made of: no other verb needs it.
    const [{ examine }, { screenOf, works }] = await Promise.all([
      import('../../doctor/doctor.ts'),
      import('../../doctor/screen.ts'),
    ])
    const checks = await examine({ environment, projectId: project, now })
    const report = { project_id: project, works: works(checks), checks }
    terminal.line(json ? JSON.stringify(report) : screenOf(project, checks))
    return report.works ? 'done' : 'failed'
  },
})
