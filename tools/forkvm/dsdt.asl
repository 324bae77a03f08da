/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a stock guest kernel has to know of forkvm's devices.
 *
 * VGEN is a VM Generation ID as Linux' vmgenid driver expects it; GED tells
 * it, by interrupt 16 (GENID_GSI), that the ID at 0xff000 (GENID_GPA) is new.
 */
DefinitionBlock ("", "DSDT", 2, "VMFORK", "FORKVM", 1)
{
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (VGEN)
		{
			Name (_HID, "FKVM0001")
			Name (_CID, Package () { "VM_Gen_Counter", "VMGENCTR" })
			Name (_DDN, "VM_Gen_Counter")
			Name (ADDR, Package () { 0x000ff000, 0 })
		}

		Device (GED)
		{
			Name (_HID, "ACPI0013")
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Edge, ActiveHigh,
					   Exclusive) { 16 }
			})
			Method (_EVT, 1, Serialized)
			{
				If (Arg0 == 16)
				{
					Notify (\_SB.VGEN, 0x80)
				}
			}
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3f8, 0x3f8, 0, 8)
				Interrupt (ResourceConsumer, Edge, ActiveHigh,
					   Exclusive) { 4 }
			})
		}

		Device (COM2)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 2)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x2f8, 0x2f8, 0, 8)
				Interrupt (ResourceConsumer, Edge, ActiveHigh,
					   Exclusive) { 3 }
			})
		}
	}
}
