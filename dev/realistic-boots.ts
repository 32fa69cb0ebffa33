/** Boot times as bare metal shows them, in seconds: two clusters, and a long tail. `random`: 0..1. */
export function drawBoot(random: () => number): number {
  const spread = () => random() + random() + random() - 1.5
  const kind = random()
  if (kind < 0.6) return 240 + 30 * spread()
  if (kind < 0.9) return 540 + 60 * spread()
  return Math.min(2700, 600 - 400 * Math.log(1 - random()))
}
