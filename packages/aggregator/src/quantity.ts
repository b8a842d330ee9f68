/**
 * A number as a Kubernetes quantity, rounded to thousandths: 12.5 is `12500m`. Source: apimachinery
 * `resource.Quantity`, canonical form.
 */
export function toQuantity(value: number): string {
  const thousandths = Math.round(value * 1000);
  return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`;
}
