#pragma once

#include <string_view>

/// The types of the Kubernetes API that Weft keeps as JSON: it must know their fields (to refuse misspelt
/// ones and to explain them), but never reads them.
namespace weft::kube::reflect {

/// A shape in short notation: "FIELD:TYPE" each, "FIELD!:TYPE" when it is required. TYPE is a scalar (string,
/// bool, int32, int64, time, quantity, any), another shape, or a described type; []TYPE is a list, {}TYPE a
/// map.
struct ShapeText {
  std::string_view name;
  std::string_view ref;  ///< OpenAPI definition name
  std::string_view fields;
};

constexpr ShapeText kShapes[] = {
    {"AWSElasticBlockStoreVolumeSource", "io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource",
     "volumeID!:string fsType:string partition:int32 readOnly:bool"},
    {"Affinity", "io.k8s.api.core.v1.Affinity",
     "nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity"},
    {"AppArmorProfile", "io.k8s.api.core.v1.AppArmorProfile", "type!:string localhostProfile:string"},
    {"AttachedVolume", "io.k8s.api.core.v1.AttachedVolume", "name!:string devicePath!:string"},
    {"AzureDiskVolumeSource", "io.k8s.api.core.v1.AzureDiskVolumeSource",
     "diskName!:string diskURI!:string cachingMode:string fsType:string readOnly:bool kind:string"},
    {"AzureFileVolumeSource", "io.k8s.api.core.v1.AzureFileVolumeSource",
     "secretName!:string shareName!:string readOnly:bool"},
    {"CSIVolumeSource", "io.k8s.api.core.v1.CSIVolumeSource",
     "driver!:string readOnly:bool fsType:string volumeAttributes:{}string "
     "nodePublishSecretRef:LocalObjectReference"},
    {"CephFSVolumeSource", "io.k8s.api.core.v1.CephFSVolumeSource",
     "monitors!:[]string path:string user:string secretFile:string secretRef:LocalObjectReference "
     "readOnly:bool"},
    {"CinderVolumeSource", "io.k8s.api.core.v1.CinderVolumeSource",
     "volumeID!:string fsType:string readOnly:bool secretRef:LocalObjectReference"},
    {"ClusterTrustBundleProjection", "io.k8s.api.core.v1.ClusterTrustBundleProjection",
     "name:string signerName:string labelSelector:LabelSelector optional:bool path!:string"},
    {"ConfigMapNodeConfigSource", "io.k8s.api.core.v1.ConfigMapNodeConfigSource",
     "namespace!:string name!:string uid:string resourceVersion:string kubeletConfigKey!:string"},
    {"ContainerExtendedResourceRequest", "io.k8s.api.core.v1.ContainerExtendedResourceRequest",
     "containerName!:string resourceName!:string requestName!:string"},
    {"ContainerImage", "io.k8s.api.core.v1.ContainerImage", "names:[]string sizeBytes:int64"},
    {"ContainerUser", "io.k8s.api.core.v1.ContainerUser", "linux:LinuxContainerUser"},
    {"EphemeralVolumeSource", "io.k8s.api.core.v1.EphemeralVolumeSource",
     "volumeClaimTemplate:PersistentVolumeClaimTemplate"},
    {"FCVolumeSource", "io.k8s.api.core.v1.FCVolumeSource",
     "targetWWNs:[]string lun:int32 fsType:string readOnly:bool wwids:[]string"},
    {"FlexVolumeSource", "io.k8s.api.core.v1.FlexVolumeSource",
     "driver!:string fsType:string secretRef:LocalObjectReference readOnly:bool options:{}string"},
    {"FlockerVolumeSource", "io.k8s.api.core.v1.FlockerVolumeSource",
     "datasetName:string datasetUUID:string"},
    {"GCEPersistentDiskVolumeSource", "io.k8s.api.core.v1.GCEPersistentDiskVolumeSource",
     "pdName!:string fsType:string partition:int32 readOnly:bool"},
    {"GitRepoVolumeSource", "io.k8s.api.core.v1.GitRepoVolumeSource",
     "repository!:string revision:string directory:string"},
    {"GlusterfsVolumeSource", "io.k8s.api.core.v1.GlusterfsVolumeSource",
     "endpoints!:string path!:string readOnly:bool"},
    {"ISCSIVolumeSource", "io.k8s.api.core.v1.ISCSIVolumeSource",
     "targetPortal!:string iqn!:string lun!:int32 iscsiInterface:string fsType:string readOnly:bool "
     "portals:[]string chapAuthDiscovery:bool chapAuthSession:bool secretRef:LocalObjectReference "
     "initiatorName:string"},
    {"ImageVolumeSource", "io.k8s.api.core.v1.ImageVolumeSource", "reference:string pullPolicy:string"},
    {"ImageVolumeStatus", "io.k8s.api.core.v1.ImageVolumeStatus", "imageRef:string"},
    {"LinuxContainerUser", "io.k8s.api.core.v1.LinuxContainerUser",
     "uid!:int64 gid!:int64 supplementalGroups:[]int64"},
    {"ManagedFieldsEntry", "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry",
     "manager:string operation:string apiVersion:string time:time fieldsType:string fieldsV1:FieldsV1 "
     "subresource:string"},
    {"ModifyVolumeStatus", "io.k8s.api.core.v1.ModifyVolumeStatus",
     "targetVolumeAttributesClassName:string status!:string"},
    {"NFSVolumeSource", "io.k8s.api.core.v1.NFSVolumeSource", "server!:string path!:string readOnly:bool"},
    {"NodeAffinity", "io.k8s.api.core.v1.NodeAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:NodeSelector "
     "preferredDuringSchedulingIgnoredDuringExecution:[]PreferredSchedulingTerm"},
    {"NodeAllocatableResourceClaimStatus", "io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus",
     "resourceClaimName!:string containers:[]string resources!:{}quantity"},
    {"NodeConfigSource", "io.k8s.api.core.v1.NodeConfigSource", "configMap:ConfigMapNodeConfigSource"},
    {"NodeConfigStatus", "io.k8s.api.core.v1.NodeConfigStatus",
     "assigned:NodeConfigSource active:NodeConfigSource lastKnownGood:NodeConfigSource error:string"},
    {"NodeFeatures", "io.k8s.api.core.v1.NodeFeatures", "supplementalGroupsPolicy:bool"},
    {"NodeRuntimeHandler", "io.k8s.api.core.v1.NodeRuntimeHandler",
     "name:string features:NodeRuntimeHandlerFeatures"},
    {"NodeRuntimeHandlerFeatures", "io.k8s.api.core.v1.NodeRuntimeHandlerFeatures",
     "recursiveReadOnlyMounts:bool userNamespaces:bool"},
    {"NodeSelector", "io.k8s.api.core.v1.NodeSelector", "nodeSelectorTerms!:[]NodeSelectorTerm"},
    {"NodeSelectorRequirement", "io.k8s.api.core.v1.NodeSelectorRequirement",
     "key!:string operator!:string values:[]string"},
    {"NodeSelectorTerm", "io.k8s.api.core.v1.NodeSelectorTerm",
     "matchExpressions:[]NodeSelectorRequirement matchFields:[]NodeSelectorRequirement"},
    {"NodeSwapStatus", "io.k8s.api.core.v1.NodeSwapStatus", "capacity:int64"},
    {"PersistentVolumeClaim", "io.k8s.api.core.v1.PersistentVolumeClaim",
     "apiVersion:string kind:string metadata:ObjectMeta spec:PersistentVolumeClaimSpec "
     "status:PersistentVolumeClaimStatus"},
    {"PersistentVolumeClaimCondition", "io.k8s.api.core.v1.PersistentVolumeClaimCondition",
     "type!:string status!:string lastProbeTime:time lastTransitionTime:time reason:string message:string"},
    {"PersistentVolumeClaimSpec", "io.k8s.api.core.v1.PersistentVolumeClaimSpec",
     "accessModes:[]string selector:LabelSelector resources:VolumeResourceRequirements volumeName:string "
     "storageClassName:string volumeMode:string dataSource:TypedLocalObjectReference "
     "dataSourceRef:TypedObjectReference volumeAttributesClassName:string"},
    {"PersistentVolumeClaimStatus", "io.k8s.api.core.v1.PersistentVolumeClaimStatus",
     "phase:string accessModes:[]string capacity:{}quantity conditions:[]PersistentVolumeClaimCondition "
     "allocatedResources:{}quantity allocatedResourceStatuses:{}string "
     "currentVolumeAttributesClassName:string modifyVolumeStatus:ModifyVolumeStatus"},
    {"PersistentVolumeClaimTemplate", "io.k8s.api.core.v1.PersistentVolumeClaimTemplate",
     "metadata:ObjectMeta spec!:PersistentVolumeClaimSpec"},
    {"PhotonPersistentDiskVolumeSource", "io.k8s.api.core.v1.PhotonPersistentDiskVolumeSource",
     "pdID!:string fsType:string"},
    {"PodAffinity", "io.k8s.api.core.v1.PodAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm "
     "preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm"},
    {"PodAffinityTerm", "io.k8s.api.core.v1.PodAffinityTerm",
     "labelSelector:LabelSelector namespaces:[]string topologyKey!:string namespaceSelector:LabelSelector "
     "matchLabelKeys:[]string mismatchLabelKeys:[]string"},
    {"PodAntiAffinity", "io.k8s.api.core.v1.PodAntiAffinity",
     "requiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm "
     "preferredDuringSchedulingIgnoredDuringExecution:[]WeightedPodAffinityTerm"},
    {"PodCertificateProjection", "io.k8s.api.core.v1.PodCertificateProjection",
     "signerName:string keyType:string maxExpirationSeconds:int32 credentialBundlePath:string keyPath:string "
     "certificateChainPath:string userAnnotations:{}string"},
    {"PodExtendedResourceClaimStatus", "io.k8s.api.core.v1.PodExtendedResourceClaimStatus",
     "requestMappings!:[]ContainerExtendedResourceRequest resourceClaimName!:string"},
    {"PodFailurePolicy", "io.k8s.api.batch.v1.PodFailurePolicy", "rules!:[]PodFailurePolicyRule"},
    {"PodFailurePolicyOnExitCodesRequirement", "io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement",
     "containerName:string operator!:string values!:[]int32"},
    {"PodFailurePolicyOnPodConditionsPattern", "io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern",
     "type!:string status:string"},
    {"PodFailurePolicyRule", "io.k8s.api.batch.v1.PodFailurePolicyRule",
     "action!:string onExitCodes:PodFailurePolicyOnExitCodesRequirement "
     "onPodConditions:[]PodFailurePolicyOnPodConditionsPattern"},
    {"PodResourceClaim", "io.k8s.api.core.v1.PodResourceClaim",
     "name!:string resourceClaimName:string resourceClaimTemplateName:string"},
    {"PodResourceClaimStatus", "io.k8s.api.core.v1.PodResourceClaimStatus",
     "name!:string resourceClaimName:string"},
    {"PodSchedulingGroup", "io.k8s.api.core.v1.PodSchedulingGroup", "podGroupName:string"},
    {"PortworxVolumeSource", "io.k8s.api.core.v1.PortworxVolumeSource",
     "volumeID!:string fsType:string readOnly:bool"},
    {"PreferredSchedulingTerm", "io.k8s.api.core.v1.PreferredSchedulingTerm",
     "weight!:int32 preference!:NodeSelectorTerm"},
    {"QuobyteVolumeSource", "io.k8s.api.core.v1.QuobyteVolumeSource",
     "registry!:string volume!:string readOnly:bool user:string group:string tenant:string"},
    {"RBDVolumeSource", "io.k8s.api.core.v1.RBDVolumeSource",
     "monitors!:[]string image!:string fsType:string pool:string user:string keyring:string "
     "secretRef:LocalObjectReference readOnly:bool"},
    {"ResourceHealth", "io.k8s.api.core.v1.ResourceHealth",
     "resourceID!:string health:string message:string"},
    {"ResourceStatus", "io.k8s.api.core.v1.ResourceStatus", "name!:string resources:[]ResourceHealth"},
    {"SELinuxOptions", "io.k8s.api.core.v1.SELinuxOptions",
     "user:string role:string type:string level:string"},
    {"ScaleIOVolumeSource", "io.k8s.api.core.v1.ScaleIOVolumeSource",
     "gateway!:string system!:string secretRef!:LocalObjectReference sslEnabled:bool protectionDomain:string "
     "storagePool:string storageMode:string volumeName:string fsType:string readOnly:bool"},
    {"SeccompProfile", "io.k8s.api.core.v1.SeccompProfile", "type!:string localhostProfile:string"},
    {"StorageOSVolumeSource", "io.k8s.api.core.v1.StorageOSVolumeSource",
     "volumeName:string volumeNamespace:string fsType:string readOnly:bool secretRef:LocalObjectReference"},
    {"SuccessPolicy", "io.k8s.api.batch.v1.SuccessPolicy", "rules!:[]SuccessPolicyRule"},
    {"SuccessPolicyRule", "io.k8s.api.batch.v1.SuccessPolicyRule",
     "succeededIndexes:string succeededCount:int32"},
    {"TypedObjectReference", "io.k8s.api.core.v1.TypedObjectReference",
     "apiGroup:string kind!:string name!:string namespace:string"},
    {"UncountedTerminatedPods", "io.k8s.api.batch.v1.UncountedTerminatedPods",
     "succeeded:[]string failed:[]string"},
    {"VolumeMountStatus", "io.k8s.api.core.v1.VolumeMountStatus",
     "name!:string mountPath!:string readOnly:bool recursiveReadOnly:string volumeStatus:VolumeStatus"},
    {"VolumeResourceRequirements", "io.k8s.api.core.v1.VolumeResourceRequirements",
     "limits:{}quantity requests:{}quantity"},
    {"VolumeStatus", "io.k8s.api.core.v1.VolumeStatus", "image:ImageVolumeStatus"},
    {"VsphereVirtualDiskVolumeSource", "io.k8s.api.core.v1.VsphereVirtualDiskVolumeSource",
     "volumePath!:string fsType:string storagePolicyName:string storagePolicyID:string"},
    {"WeightedPodAffinityTerm", "io.k8s.api.core.v1.WeightedPodAffinityTerm",
     "weight!:int32 podAffinityTerm!:PodAffinityTerm"},
    {"WindowsSecurityContextOptions", "io.k8s.api.core.v1.WindowsSecurityContextOptions",
     "gmsaCredentialSpecName:string gmsaCredentialSpec:string runAsUserName:string hostProcess:bool"},
};

}  // namespace weft::kube::reflect
