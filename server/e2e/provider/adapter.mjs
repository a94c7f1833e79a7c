// What oidc-provider remembers, in memory, where the test can look: a Provider
// made anew, to change keys or redirect URIs, finds everything of the one before.
const models = new Map(); // model → id → { payload, expires }

function model(name) {
  if (!models.has(name)) models.set(name, new Map());
  return models.get(name);
}

export const store = {
  set: (name, id, payload) => { model(name).set(id, { payload, expires: Infinity }); },
  // forget revokes every sign-in there is.
  forget: () => { for (const name of ['RefreshToken', 'Grant', 'Session']) model(name).clear(); },
  // liveRefreshTokens returns the subjects of refresh tokens that still work.
  liveRefreshTokens: () => [...model('RefreshToken').values()]
    .filter(({ payload, expires }) => !payload.consumed && expires > Date.now())
    .map(({ payload }) => payload.accountId),
};

export class Adapter {
  constructor(name) { this.entries = model(name); }

  async upsert(id, payload, expiresIn) {
    this.entries.set(id, { payload, expires: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
  }

  async find(id) {
    const entry = this.entries.get(id);
    return entry && entry.expires > Date.now() ? entry.payload : undefined;
  }

  async findByUid(uid) {
    return [...this.entries.values()].find(({ payload }) => payload.uid === uid)?.payload;
  }

  async consume(id) { this.entries.get(id).payload.consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { this.entries.delete(id); }

  async revokeByGrantId(grantId) {
    for (const [id, { payload }] of this.entries) if (payload.grantId === grantId) this.entries.delete(id);
  }
}
