#include "kube/volume.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(KeyToPath, "io.k8s.api.core.v1.KeyToPath", "", (key, path, mode),
              field("key").required().keep_empty(), field("path").required().keep_empty())

WEFT_DESCRIBE(HostPathVolumeSource, "io.k8s.api.core.v1.HostPathVolumeSource", "", (path, type),
              field("path").required().keep_empty(),
              field("type")
                  .one_of({"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket",
                           "CharDevice", "BlockDevice"})
                  .fallback(""))

WEFT_DESCRIBE(EmptyDirVolumeSource, "io.k8s.api.core.v1.EmptyDirVolumeSource", "", (medium, sizeLimit),
              field("sizeLimit").quantity())

WEFT_DESCRIBE(SecretVolumeSource, "io.k8s.api.core.v1.SecretVolumeSource", "",
              (secretName, items, defaultMode, optional), field("defaultMode").fallback(420))

WEFT_DESCRIBE(ConfigMapVolumeSource, "io.k8s.api.core.v1.ConfigMapVolumeSource", "",
              (name, items, defaultMode, optional), field("name").fallback(""),
              field("defaultMode").fallback(420))

WEFT_DESCRIBE(DownwardAPIVolumeFile, "io.k8s.api.core.v1.DownwardAPIVolumeFile", "",
              (path, fieldRef, resourceFieldRef, mode), field("path").required().keep_empty())

WEFT_DESCRIBE(DownwardAPIVolumeSource, "io.k8s.api.core.v1.DownwardAPIVolumeSource", "", (items, defaultMode),
              field("defaultMode").fallback(420))

WEFT_DESCRIBE(SecretProjection, "io.k8s.api.core.v1.SecretProjection", "", (name, items, optional),
              field("name").fallback(""))

WEFT_DESCRIBE(ConfigMapProjection, "io.k8s.api.core.v1.ConfigMapProjection", "", (name, items, optional),
              field("name").fallback(""))

WEFT_DESCRIBE(DownwardAPIProjection, "io.k8s.api.core.v1.DownwardAPIProjection", "", (items))

WEFT_DESCRIBE(ServiceAccountTokenProjection, "io.k8s.api.core.v1.ServiceAccountTokenProjection", "",
              (audience, expirationSeconds, path), field("expirationSeconds").fallback(3600),
              field("path").required().keep_empty())

WEFT_DESCRIBE(VolumeProjection, "io.k8s.api.core.v1.VolumeProjection", "",
              (secret, downwardAPI, configMap, serviceAccountToken, clusterTrustBundle, podCertificate),
              field("clusterTrustBundle").shape("ClusterTrustBundleProjection"),
              field("podCertificate").shape("PodCertificateProjection"))

WEFT_DESCRIBE(ProjectedVolumeSource, "io.k8s.api.core.v1.ProjectedVolumeSource", "", (sources, defaultMode),
              field("sources").keep_empty(), field("defaultMode").fallback(420))

WEFT_DESCRIBE(PersistentVolumeClaimVolumeSource, "io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource", "",
              (claimName, readOnly), field("claimName").required().keep_empty())

WEFT_DESCRIBE(
    Volume, "io.k8s.api.core.v1.Volume", "A folder that containers of a pod can mount. One source is set.",
    (name, hostPath, emptyDir, gcePersistentDisk, awsElasticBlockStore, gitRepo, secret, nfs, iscsi,
     glusterfs, persistentVolumeClaim, rbd, flexVolume, cinder, cephfs, flocker, downwardAPI, fc, azureFile,
     configMap, vsphereVolume, quobyte, azureDisk, photonPersistentDisk, projected, portworxVolume, scaleIO,
     storageos, csi, ephemeral, image),
    field("name").required().keep_empty(), field("gcePersistentDisk").shape("GCEPersistentDiskVolumeSource"),
    field("awsElasticBlockStore").shape("AWSElasticBlockStoreVolumeSource"),
    field("gitRepo").shape("GitRepoVolumeSource"), field("nfs").shape("NFSVolumeSource"),
    field("iscsi").shape("ISCSIVolumeSource"), field("glusterfs").shape("GlusterfsVolumeSource"),
    field("rbd").shape("RBDVolumeSource"), field("flexVolume").shape("FlexVolumeSource"),
    field("cinder").shape("CinderVolumeSource"), field("cephfs").shape("CephFSVolumeSource"),
    field("flocker").shape("FlockerVolumeSource"), field("fc").shape("FCVolumeSource"),
    field("azureFile").shape("AzureFileVolumeSource"),
    field("vsphereVolume").shape("VsphereVirtualDiskVolumeSource"),
    field("quobyte").shape("QuobyteVolumeSource"), field("azureDisk").shape("AzureDiskVolumeSource"),
    field("photonPersistentDisk").shape("PhotonPersistentDiskVolumeSource"),
    field("portworxVolume").shape("PortworxVolumeSource"), field("scaleIO").shape("ScaleIOVolumeSource"),
    field("storageos").shape("StorageOSVolumeSource"), field("csi").shape("CSIVolumeSource"),
    field("ephemeral").shape("EphemeralVolumeSource"), field("image").shape("ImageVolumeSource"))

}  // namespace weft::kube
