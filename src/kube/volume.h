#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/container.h"
#include "kube/meta.h"
#include "kube/reference.h"

/// The volumes of a pod (core/v1). Sources that need a storage system are kept as JSON; their schema is
/// known.
namespace weft::kube {

struct KeyToPath : Described {
  std::string key;
  std::string path;
  std::optional<int32_t> mode;  ///< file mode bits
  bool operator==(const KeyToPath&) const = default;
};

struct HostPathVolumeSource : Described {
  std::string path;
  std::optional<std::string> type;
  bool operator==(const HostPathVolumeSource&) const = default;
};

struct EmptyDirVolumeSource : Described {
  std::string medium;
  std::optional<Quantity> sizeLimit;
  bool operator==(const EmptyDirVolumeSource&) const = default;
};

struct SecretVolumeSource : Described {
  std::string secretName;
  std::vector<KeyToPath> items;
  std::optional<int32_t> defaultMode;  ///< file mode bits
  std::optional<bool> optional;
  bool operator==(const SecretVolumeSource&) const = default;
};

struct ConfigMapVolumeSource : Described {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<int32_t> defaultMode;  ///< file mode bits
  std::optional<bool> optional;
  bool operator==(const ConfigMapVolumeSource&) const = default;
};

struct DownwardAPIVolumeFile : Described {
  std::string path;
  std::optional<ObjectFieldSelector> fieldRef;
  std::optional<ResourceFieldSelector> resourceFieldRef;
  std::optional<int32_t> mode;
  bool operator==(const DownwardAPIVolumeFile&) const = default;
};

struct DownwardAPIVolumeSource : Described {
  std::vector<DownwardAPIVolumeFile> items;
  std::optional<int32_t> defaultMode;
  bool operator==(const DownwardAPIVolumeSource&) const = default;
};

struct SecretProjection : Described {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<bool> optional;
  bool operator==(const SecretProjection&) const = default;
};

struct ConfigMapProjection : Described {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<bool> optional;
  bool operator==(const ConfigMapProjection&) const = default;
};

struct DownwardAPIProjection : Described {
  std::vector<DownwardAPIVolumeFile> items;
  bool operator==(const DownwardAPIProjection&) const = default;
};

struct ServiceAccountTokenProjection : Described {
  std::string audience;
  std::optional<int64_t> expirationSeconds;
  std::string path;
  bool operator==(const ServiceAccountTokenProjection&) const = default;
};

struct VolumeProjection : Described {
  std::optional<SecretProjection> secret;
  std::optional<DownwardAPIProjection> downwardAPI;
  std::optional<ConfigMapProjection> configMap;
  std::optional<ServiceAccountTokenProjection> serviceAccountToken;
  json::value clusterTrustBundle;  ///< a ClusterTrustBundleProjection
  json::value podCertificate;      ///< a PodCertificateProjection
  bool operator==(const VolumeProjection&) const = default;
};

struct ProjectedVolumeSource : Described {
  std::vector<VolumeProjection> sources;
  std::optional<int32_t> defaultMode;
  bool operator==(const ProjectedVolumeSource&) const = default;
};

struct PersistentVolumeClaimVolumeSource : Described {
  std::string claimName;
  bool readOnly = false;
  bool operator==(const PersistentVolumeClaimVolumeSource&) const = default;
};

/// A folder that containers of a pod can mount. One source is set.
struct Volume : Described {
  std::string name;
  std::optional<HostPathVolumeSource> hostPath;
  std::optional<EmptyDirVolumeSource> emptyDir;
  json::value gcePersistentDisk;     ///< a GCEPersistentDiskVolumeSource
  json::value awsElasticBlockStore;  ///< a AWSElasticBlockStoreVolumeSource
  json::value gitRepo;               ///< a GitRepoVolumeSource
  std::optional<SecretVolumeSource> secret;
  json::value nfs;        ///< a NFSVolumeSource
  json::value iscsi;      ///< a ISCSIVolumeSource
  json::value glusterfs;  ///< a GlusterfsVolumeSource
  std::optional<PersistentVolumeClaimVolumeSource> persistentVolumeClaim;
  json::value rbd;         ///< a RBDVolumeSource
  json::value flexVolume;  ///< a FlexVolumeSource
  json::value cinder;      ///< a CinderVolumeSource
  json::value cephfs;      ///< a CephFSVolumeSource
  json::value flocker;     ///< a FlockerVolumeSource
  std::optional<DownwardAPIVolumeSource> downwardAPI;
  json::value fc;         ///< a FCVolumeSource
  json::value azureFile;  ///< a AzureFileVolumeSource
  std::optional<ConfigMapVolumeSource> configMap;
  json::value vsphereVolume;         ///< a VsphereVirtualDiskVolumeSource
  json::value quobyte;               ///< a QuobyteVolumeSource
  json::value azureDisk;             ///< a AzureDiskVolumeSource
  json::value photonPersistentDisk;  ///< a PhotonPersistentDiskVolumeSource
  std::optional<ProjectedVolumeSource> projected;
  json::value portworxVolume;  ///< a PortworxVolumeSource
  json::value scaleIO;         ///< a ScaleIOVolumeSource
  json::value storageos;       ///< a StorageOSVolumeSource
  json::value csi;             ///< a CSIVolumeSource
  json::value ephemeral;       ///< a EphemeralVolumeSource
  json::value image;           ///< a ImageVolumeSource
  bool operator==(const Volume&) const = default;
};

}  // namespace weft::kube
