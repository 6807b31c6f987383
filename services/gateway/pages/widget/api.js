// Questions to the gateway, in the name of whoever the cookie or a bearer token says.
//
// The first of the parts that are joined into one module when the gateway starts (hypertext/widget.py); BUILT (styles, words, exponents) is
// put before them.

const ANSWER_MS = 12_000; // the gateway answers within 10 s, if only with 503

class Api {
  /** Somebody else may be logged in since this was last set to false. */
  isRenewed = false;
  #secret = null; // a promise: the bearer token, or the cookie's CSRF token
  #isExpired = false; // the last one was

  /** `getToken` decides alone: with it no cookie is sent. */
  constructor(base, credentials, getToken) {
    Object.assign(this, { base, credentials, getToken });
  }

  /** The token is not taken any more: the next request gets another one. */
  expire() {
    this.#secret = null;
    this.isRenewed = this.#isExpired = true;
  }

  /** The answer's object. An error has `status` and `retryAfterMs`, if the gateway answered at all; 401: nobody is logged in. */
  async request(method, path, isRepeated = false) {
    const headers = {};
    let secret;
    if (this.getToken) {
      secret = this.#secret ??= this.#kept(this.#token());
      headers.Authorization = `Bearer ${await secret}`;
    } else if (method !== "GET") {
      secret = this.#secret ??= this.#kept(this.#csrfToken());
      headers["X-CSRF-Token"] = await secret;
    }
    const response = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers,
      credentials: this.getToken ? "omit" : this.credentials,
      cache: "no-store",
      redirect: "error", // the API is where `base` says, and nowhere else
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (response.ok) return response.json();
    const { status } = response;
    if (secret && !isRepeated && status === (this.getToken ? 401 : 403)) {
      if (this.#secret === secret) this.expire();
      return this.request(method, path, true);
    }
    const retryAfterMs = 1000 * response.headers.get("Retry-After") || 0;
    throw Object.assign(new Error(`${method} ${path}: ${status}`), { status, retryAfterMs });
  }

  /** The same promise, forgotten when it fails. */
  #kept(secret) {
    secret.catch(() => {
      if (this.#secret === secret) this.#secret = null;
    });
    return secret;
  }

  async #token() {
    const late = new Promise((_, reject) => setTimeout(reject, ANSWER_MS, new Error("getToken: no answer")));
    const token = await Promise.race([this.getToken({ expired: this.#isExpired }), late]);
    if (!token) throw Object.assign(new Error("getToken: nobody is logged in"), { status: 401 });
    return token;
  }

  async #csrfToken() {
    // Another site's page may have such an element too, for itself.
    const own = this.base === location.origin && document.querySelector('meta[name="csrf-token"]')?.content;
    return (!this.#isExpired && own) || (await this.request("GET", "/me")).csrf_token;
  }
}
