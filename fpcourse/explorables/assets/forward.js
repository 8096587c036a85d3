// The forward pass of ClinicalMLP, in double precision; a test holds every tensor against the same pass by torch.
// `rows` has a list of facts for each patient, `keep` for each patient what dropout lets through.
const forwardPass = (net, rows, train, keep) => {
  const linear = ({ weight, bias }, inputs) => inputs.map((x) =>
    weight.map((w, unit) => w.reduce((sum, value, at) => sum + value * x[at], bias[unit])));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const column = (tensor, unit) => tensor.map((row) => row[unit]);
  const ofBatch = (tensor) => {
    const means = tensor[0].map((_, unit) => mean(column(tensor, unit)));
    return { mean: means, variance: means.map((m, unit) => mean(column(tensor, unit).map((z) => (z - m) ** 2))) };
  };
  const norm = (bn, tensor, { mean, variance }) => tensor.map((row) => row.map((z, unit) =>
    (z - mean[unit]) / Math.sqrt(variance[unit] + 1e-5) * bn.weight[unit] + bn.bias[unit]));
  const relu = (tensor) => tensor.map((row) => row.map((z) => Math.max(z, 0)));
  const drop = (tensor) => !train ? tensor : tensor.map((row, patient) => row.map((a, unit) => keep[patient][unit] ? a / 0.7 : 0));

  const layer1 = linear(net.layer1, rows);
  const batch1 = ofBatch(layer1);
  const bn1 = norm(net.bn1, layer1, train ? batch1 : net.bn1);
  const relu1 = relu(bn1);
  const dropped = drop(relu1);
  const layer2 = linear(net.layer2, dropped);
  const batch2 = ofBatch(layer2);
  const bn2 = norm(net.bn2, layer2, train ? batch2 : net.bn2);
  const relu2 = relu(bn2);
  return { tensors: [rows, layer1, bn1, relu1, dropped, layer2, bn2, relu2, linear(net.layer3, relu2)], batch1, batch2 };
};
// What a call in train mode leaves in a BatchNorm: a tenth of the way to the batch, whose variance counts n / (n - 1).
const movedStatistics = (bn, batch, n) => ({
  ...bn,
  mean: bn.mean.map((stored, unit) => 0.9 * stored + 0.1 * batch.mean[unit]),
  variance: bn.variance.map((stored, unit) => 0.9 * stored + 0.1 * batch.variance[unit] * n / (n - 1)),
});
