// @ts-check
import { ask, messageOf } from './ask.js'
import { html } from './html.js'
import { Component, createRef } from './lib/preact.js'

/** @import { Caller } from './replies.ts' */

/** @typedef {{ onCaller: (caller: Caller) => void }} Props */

/** Exchanges a key or token for a session. It is kept nowhere in the page. @extends {Component<Props, { error: string | null, busy: boolean }>} */
export class SignIn extends Component {
  /** @type {import('./lib/preact.js').RefObject<HTMLInputElement | null>} */
  input = createRef()

  /** @override */
  state = { error: /** @type {string | null} */ (null), busy: false }

  /** @override */
  componentDidMount() {
    this.input.current?.focus()
  }

  /** @param {SubmitEvent} event */
  submit = async (event) => {
    event.preventDefault()
    const form = /** @type {HTMLFormElement} */ (event.currentTarget)
    const credential = String(new FormData(form).get('credential') ?? '').trim()
    this.setState({ busy: true, error: null })
    try {
      const { body } = await ask('console/session', { method: 'POST', credential })
      form.reset()
      this.props.onCaller(/** @type {Caller} */ (body))
    } catch (error) {
      this.setState({ busy: false, error: messageOf(error) })
    }
  }

  /** @override */
  render() {
    const { error, busy } = this.state
    return html`
      <main class="sign-in">
        <h1>CloudDC provisioner</h1>
        <form onSubmit=${this.submit}>
          <label>
            Key or token
            <input
              ref=${this.input} name="credential" type="password" required
              autocomplete="current-password" spellcheck="false"
            />
          </label>
          <button type="submit" class="main" disabled=${busy}>Sign in</button>
          ${error !== null && html`<p class="bad" role="alert">${error}</p>`}
          <p class="quiet">
            A key of the access file, or a token of an issuer that it names. For all of this page it needs the role
            “operate” for all projects; with “read” it shows the orders of its projects.
          </p>
        </form>
      </main>
    `
  }
}
