# The tar archive's program is static. Put the archive beside this file, then: nix-build
{ pkgs ? import <nixpkgs> { } }:

let
  version = "0.1.0";
  machine = pkgs.stdenv.hostPlatform.parsed.cpu.name;
in
pkgs.stdenv.mkDerivation {
  pname = "xen-network";
  inherit version;
  src = ./. + "/xen-network-${version}-${machine}.tar.gz";
  dontStrip = true;
  installPhase = ''
    sh ./stage.sh . tree systemd
    mkdir -p $out
    cp -r tree/usr/. $out
    mv $out/sbin $out/bin
    substituteInPlace $out/lib/systemd/system/xen-network.service --replace-fail /usr/sbin $out/bin
    substituteInPlace $out/lib/systemd/system/xen-network-traffic.service --replace-fail /usr/sbin $out/bin
  '';
  meta = {
    description = "Network hook scripts of Xen as one compiled program";
    license = with pkgs.lib.licenses; [ mit lgpl21Plus isc ];
    platforms = [ "x86_64-linux" "aarch64-linux" ];
    mainProgram = "xen-network";
  };
}
