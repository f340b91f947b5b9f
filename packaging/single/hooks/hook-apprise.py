"""Apprise finds its services by listing the directory that it lies in: it goes in as files, too."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

hiddenimports = collect_submodules("apprise")
datas = collect_data_files("apprise")
module_collection_mode = "pyz+py"
