#include "gateway/status.h"

namespace weft::gateway {

const std::vector<std::string>& supported_features() {
  static const std::vector<std::string> all = {
      "BackendTLSPolicy",
      "BackendTLSPolicySANValidation",
      "GRPCRoute",
      "GRPCRouteNamedRouteRule",
      "Gateway",
      "GatewayAddressEmpty",
      "GatewayBackendClientCertificate",
      "GatewayFrontendClientCertificateValidation",
      "GatewayFrontendClientCertificateValidationInsecureFallback",
      "GatewayHTTPListenerIsolation",
      "GatewayHTTPSListenerDetectMisdirectedRequests",
      "GatewayInfrastructurePropagation",
      "GatewayPort8080",
      "GatewayStaticAddresses",
      "HTTPRoute",
      "HTTPRoute303RedirectStatusCode",
      "HTTPRoute307RedirectStatusCode",
      "HTTPRoute308RedirectStatusCode",
      "HTTPRouteBackendProtocolH2C",
      "HTTPRouteBackendProtocolWebSocket",
      "HTTPRouteBackendRequestHeaderModification",
      "HTTPRouteBackendTimeout",
      "HTTPRouteCORS",
      "HTTPRouteDestinationPortMatching",
      "HTTPRouteHostRewrite",
      "HTTPRouteMethodMatching",
      "HTTPRouteNamedRouteRule",
      "HTTPRouteParentRefPort",
      "HTTPRoutePathRedirect",
      "HTTPRoutePathRewrite",
      "HTTPRoutePortRedirect",
      "HTTPRouteQueryParamMatching",
      "HTTPRouteRequestMirror",
      "HTTPRouteRequestMultipleMirrors",
      "HTTPRouteRequestPercentageMirror",
      "HTTPRouteRequestTimeout",
      "HTTPRouteResponseHeaderModification",
      "HTTPRouteRetry",
      "HTTPRouteRetryBackendTimeout",
      "HTTPRouteRetryConnectionError",
      "HTTPRouteSchemeRedirect",
      "ListenerSet",
      "ReferenceGrant",
      "TCPRoute",
      "TLSRoute",
      "TLSRouteModeMixed",
      "TLSRouteModeTerminate",
      "UDPRoute",
  };
  return all;
}

const std::vector<std::string>& supported_mesh_features() {
  static const std::vector<std::string> all = {
      "Mesh",
      "MeshClusterIPMatching",
      "MeshConsumerRoute",
      "MeshHTTPRouteBackendRequestHeaderModification",
      "MeshHTTPRouteNamedRouteRule",
      "MeshHTTPRouteQueryParamMatching",
      "MeshHTTPRouteRedirectPath",
      "MeshHTTPRouteRedirectPort",
      "MeshHTTPRouteRewritePath",
      "MeshHTTPRouteSchemeRedirect",
  };
  return all;
}

}  // namespace weft::gateway
