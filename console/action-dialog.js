// @ts-check
import { ask, messageOf } from './ask.js'
import { html } from './html.js'
import { Component, createRef } from './lib/preact.js'

/** What was filled in, by the names of the fields. @typedef {Readonly<Record<string, string | undefined>>} Values */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} type of an input
 * @property {string} [value] what stands in it at first
 * @property {number} [min]
 * @property {boolean} [optional]
 */

/**
 * A change that a person makes: filled in, read once more in plain words, then confirmed.
 * @typedef {object} Action
 * @property {string} title
 * @property {string} verb of the button that does it
 * @property {readonly Field[]} fields beside the reason
 * @property {boolean} [needsReason] true by default
 * @property {(values: Values) => string} says what will come of it
 * @property {(values: Values) => { method: string, path: string, body?: object }} request the reason is added to a body
 * @property {(reply: unknown) => string} [leadsTo] where to go once it is done
 * @property {Action} [instead] what may be meant as well
 */

/** @typedef {{ action: Action, onDone: (action: Action, goTo: string | null) => void, onClose: () => void, onInstead: (action: Action) => void }} Props */
/** @typedef {{ values: Values, step: 'fill' | 'confirm' | 'sending', error: string | null }} State */

const REASON = { min: 10, max: 500 }

/** @extends {Component<Props, State>} */
export class ActionDialog extends Component {
  /** @type {import('./lib/preact.js').RefObject<HTMLDialogElement | null>} */
  dialog = createRef()

  /** @override @type {State} */
  state = {
    values: Object.fromEntries(this.props.action.fields.map(({ name, value = '' }) => [name, value])),
    step: 'fill',
    error: null,
  }

  /** @override */
  componentDidMount() {
    this.dialog.current?.showModal()
  }

  /** @override @param {Props} _before @param {State} before */
  componentDidUpdate(_before, before) {
    // What the step is about is read out, and the next key is pressed there.
    if (before.step === this.state.step) return
    const selector = this.state.step === 'confirm' ? '[data-confirm]' : 'input, textarea'
    const target = this.dialog.current?.querySelector(selector)
    if (target instanceof HTMLElement) target.focus()
  }

  /** @param {Event} event */
  change = (event) => {
    const { name, value } = /** @type {HTMLInputElement} */ (event.target)
    this.setState(({ values }) => ({ values: { ...values, [name]: value } }))
  }

  /** @param {Event} event */
  next = (event) => {
    event.preventDefault()
    if (this.state.step === 'fill') this.setState({ step: 'confirm', error: null })
    else if (this.state.step === 'confirm') void this.send()
  }

  send = async () => {
    const { action, onDone } = this.props
    this.setState({ step: 'sending' })
    const reason = this.state.values.reason?.trim() ?? ''
    const { method, path, body } = action.request({ ...this.state.values, reason })
    const withReason = action.needsReason !== false && body !== undefined ? { ...body, reason } : body
    try {
      const reply = await ask(path, { method, body: withReason })
      // Closing gives the focus back to what opened it; taking it away would not.
      this.dialog.current?.close()
      onDone(action, action.leadsTo?.(reply.body) ?? null)
    } catch (error) {
      this.setState({ step: 'fill', error: messageOf(error) })
    }
  }

  /** @override */
  render() {
    const { action, onClose } = this.props
    const { step, error } = this.state
    return html`
      <dialog ref=${this.dialog} class="action" aria-labelledby="action-title" onClose=${onClose}>
        <form method="dialog" onSubmit=${this.next}>
          <h2 id="action-title">${action.title}</h2>
          ${error !== null && html`<p class="bad" role="alert">Not done: ${error}</p>`}
          ${step === 'fill' ? this.fields() : this.question()}
        </form>
      </dialog>
    `
  }

  fields() {
    const { action, onClose, onInstead } = this.props
    const { values } = this.state
    return html`
      ${action.fields.map(
        ({ name, label, type, min, optional }) => html`
          <label>
            ${label}
            <input
              name=${name} type=${type} min=${min} step="any" required=${!optional} autocomplete="off"
              value=${values[name]} onInput=${this.change}
            />
          </label>
        `,
      )}
      ${
        action.needsReason !== false &&
        html`
          <label>
            Why, for those who read the audit (${REASON.min} to ${REASON.max} characters)
            <textarea
              name="reason" rows="3" required minlength=${REASON.min} maxlength=${REASON.max}
              value=${values.reason ?? ''} onInput=${this.change}
            ></textarea>
          </label>
        `
      }
      <p class="buttons">
        ${
          action.instead &&
          html`<button type="button" class="plain" onClick=${() => action.instead && onInstead(action.instead)}>
            ${action.instead.verb} instead…
          </button>`
        }
        <button type="button" onClick=${onClose}>Leave it</button>
        <button type="submit" class="main">Continue</button>
      </p>
    `
  }

  question() {
    const { action, onClose } = this.props
    const { values, step } = this.state
    const sending = step === 'sending'
    return html`
      <p class="effect">${action.says(values)}</p>
      ${action.needsReason !== false && html`<p class="quiet">Because: ${values.reason}</p>`}
      <p class="buttons">
        <button type="button" disabled=${sending} onClick=${() => this.setState({ step: 'fill' })}>Back</button>
        <button type="button" disabled=${sending} onClick=${onClose}>Leave it</button>
        <button type="submit" class="main" data-confirm disabled=${sending}>
          ${sending ? 'Doing it …' : action.verb}
        </button>
      </p>
    `
  }
}
