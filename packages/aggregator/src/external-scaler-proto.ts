/**
 * KEDA's external scaler protocol, proto3, as protobuf.js's JSON descriptor: a bundle has no files to load. The same
 * as `external-scaler.proto` beside the package, which is what people generate clients from.
 */
export const externalScalerProto = {
  nested: {
    externalscaler: {
      nested: {
        ExternalScaler: {
          methods: {
            IsActive: { requestType: "ScaledObjectRef", responseType: "IsActiveResponse" },
            StreamIsActive: {
              requestType: "ScaledObjectRef",
              responseType: "IsActiveResponse",
              responseStream: true,
            },
            GetMetricSpec: { requestType: "ScaledObjectRef", responseType: "GetMetricSpecResponse" },
            GetMetrics: { requestType: "GetMetricsRequest", responseType: "GetMetricsResponse" },
            StreamMetricSpec: {
              requestType: "ScaledObjectRef",
              responseType: "GetMetricSpecResponse",
              responseStream: true,
            },
          },
        },
        ScaledObjectRef: {
          fields: {
            name: { type: "string", id: 1 },
            namespace: { type: "string", id: 2 },
            scalerMetadata: { keyType: "string", type: "string", id: 3 },
          },
        },
        IsActiveResponse: { fields: { result: { type: "bool", id: 1 } } },
        GetMetricSpecResponse: { fields: { metricSpecs: { rule: "repeated", type: "MetricSpec", id: 1 } } },
        MetricSpec: {
          fields: {
            metricName: { type: "string", id: 1 },
            targetSize: { type: "int64", id: 2 },
            targetSizeFloat: { type: "double", id: 3 },
          },
        },
        GetMetricsRequest: {
          fields: {
            scaledObjectRef: { type: "ScaledObjectRef", id: 1 },
            metricName: { type: "string", id: 2 },
          },
        },
        GetMetricsResponse: { fields: { metricValues: { rule: "repeated", type: "MetricValue", id: 1 } } },
        MetricValue: {
          fields: {
            metricName: { type: "string", id: 1 },
            metricValue: { type: "int64", id: 2 },
            metricValueFloat: { type: "double", id: 3 },
          },
        },
      },
    },
    grpc: {
      nested: {
        health: {
          nested: {
            v1: {
              nested: {
                Health: {
                  methods: {
                    Check: { requestType: "HealthCheckRequest", responseType: "HealthCheckResponse" },
                  },
                },
                HealthCheckRequest: { fields: { service: { type: "string", id: 1 } } },
                HealthCheckResponse: { fields: { status: { type: "ServingStatus", id: 1 } } },
                ServingStatus: { values: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2 } },
              },
            },
          },
        },
      },
    },
  },
};
