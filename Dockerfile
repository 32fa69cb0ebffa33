# syntax=docker/dockerfile:1

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY simulator/package.json simulator/
COPY checker/package.json checker/
# Nothing that runs in the image needs a package's install script.
RUN npm ci --ignore-scripts
COPY prisma.config.ts ./
COPY prisma prisma
COPY dev/generate.mjs dev/generate.mjs
COPY src src
# Prisma's CLI and TypeScript are optional peers of its client: without them the image is a third of the size.
RUN node dev/generate.mjs && npm prune --omit=dev --omit=optional --omit=peer --ignore-scripts

FROM node:24-slim AS runtime
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
# Runs as PID 1: every program here ends on SIGTERM and SIGINT by itself.
USER node

# The CloudDC simulator, for trying the service out: docker build --target simulator .
FROM runtime AS simulator
COPY simulator simulator
ENV SIM_HOST=0.0.0.0
EXPOSE 9090 9091
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=5 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9091/admin/stats').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "simulator/main.ts"]

# The service. The same image brings the database up to date: docker run ... node src/migrate-main.ts
FROM runtime AS service
COPY --from=build /app/prisma prisma
COPY --from=build /app/src src
COPY console console
ENV HOST=0.0.0.0 PORT=8080
EXPOSE 8080
# By whatever certificate: it may name no address.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "const { HTTP_CERT_FILE: tls, PORT: port } = process.env; require(tls ? 'https' : 'http').get({ host: '127.0.0.1', port, path: '/healthz', rejectUnauthorized: false }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=16", "--max-old-space-size=1536", "src/main.ts"]
