/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that differs between the kernels this is built for, 5.10 to 7.3. What
 * cannot be asked by the preprocessor Kbuild asks of the headers (PH_...).
 */
#ifndef PIN_HELPER_COMPAT_H
#define PIN_HELPER_COMPAT_H

#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/ksm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#ifdef PH_MEMFD_PIN_FOLIOS
#include <linux/memfd.h>
#endif

/* Up to 6.4 the last argument of these was an array of VMAs. */
#ifdef PH_GUP_VMAS
#define ph_pin_user_pages(start, n, flags, pages) \
	pin_user_pages(start, n, flags, pages, NULL)
#define ph_get_user_pages(start, n, flags, pages) \
	get_user_pages(start, n, flags, pages, NULL)
#define ph_pin_user_pages_remote(mm, start, n, flags, pages) \
	pin_user_pages_remote(mm, start, n, flags, pages, NULL, NULL)
#define ph_get_user_pages_remote(mm, start, n, flags, pages) \
	get_user_pages_remote(mm, start, n, flags, pages, NULL, NULL)
/* ... and pin_user_pages_unlocked() warned of FOLL_LONGTERM and refused it. */
#define PH_UNLOCKED_LONGTERM	false
#else
#define ph_pin_user_pages	pin_user_pages
#define ph_get_user_pages	get_user_pages
#define ph_pin_user_pages_remote(mm, start, n, flags, pages) \
	pin_user_pages_remote(mm, start, n, flags, pages, NULL)
#define ph_get_user_pages_remote(mm, start, n, flags, pages) \
	get_user_pages_remote(mm, start, n, flags, pages, NULL)
#define PH_UNLOCKED_LONGTERM	true
#endif

/* Usable in atomic context, on pages of any zone. */
#ifdef PH_KMAP_LOCAL
#define ph_kmap(page)		kmap_local_page(page)
#define ph_kunmap(address)	kunmap_local(address)
#elif !defined(CONFIG_HIGHMEM)
#define ph_kmap(page)		page_address(page)
#define ph_kunmap(address)	((void)(address))
#else
#error "high memory needs kmap_local_page(), Linux 5.11"
#endif

/* A page's folio, as its head page: struct folio is younger than 5.10. */
static inline struct page *ph_head(struct page *page)
{
	return compound_head(page);
}

#ifdef PH_FOLIO
#define ph_folio(head)		((struct folio *)(head))
#define ph_test(head, flag)	folio_test_##flag(ph_folio(head))
#define ph_test_dirty(head)	ph_test(head, dirty)
#define ph_test_writeback(head)	ph_test(head, writeback)
#define ph_test_anon(head)	ph_test(head, anon)
#define ph_test_swapbacked(head) ph_test(head, swapbacked)
#define ph_test_ksm(head)	ph_test(head, ksm)
#define ph_test_lru(head)	ph_test(head, lru)
#define ph_test_mlocked(head)	ph_test(head, mlocked)
#define ph_mapping(head)	folio_mapping(ph_folio(head))
#define ph_mapped(head)		folio_mapped(ph_folio(head))
#define ph_maybe_dma_pinned(head) folio_maybe_dma_pinned(ph_folio(head))
#else
#define ph_test_dirty(head)	PageDirty(head)
#define ph_test_writeback(head)	PageWriteback(head)
#define ph_test_anon(head)	PageAnon(head)
#define ph_test_swapbacked(head) PageSwapBacked(head)
#define ph_test_ksm(head)	PageKsm(head)
#define ph_test_lru(head)	PageLRU(head)
#define ph_test_mlocked(head)	PageMlocked(head)
#define ph_mapping(head)	page_mapping(head)
#define ph_mapped(head)		page_mapped(head)
#define ph_maybe_dma_pinned(head) page_maybe_dma_pinned(head)
#endif

/*
 * Where the pins of a folio are counted apart from its references: NULL if they
 * are not, and each pin is worth GUP_PIN_COUNTING_BIAS references.
 */
static inline atomic_t *ph_pincount(struct page *head)
{
#ifndef PH_FOLIO
	return hpage_pincount_available(head) ? compound_pincount_ptr(head) : NULL;
#elif defined(PH_FOLIO_HAS_PINCOUNT)
	return folio_has_pincount(ph_folio(head)) ? &ph_folio(head)->_pincount : NULL;
#else
	return folio_test_large(ph_folio(head)) ? &ph_folio(head)->_pincount : NULL;
#endif
}

/* Of the page while the kernel counts that, else of its folio. */
static inline int ph_mapcount(struct page *page)
{
#ifdef PH_PAGE_MAPCOUNT
	return page_mapcount(page);
#else
	return folio_mapcount(ph_folio(ph_head(page)));
#endif
}

/* A folio that is mapped as one has the flag on its first page only. */
static inline bool ph_anon_exclusive(struct page *page, struct page *head)
{
#ifdef PH_ANON_EXCLUSIVE
	if (!ph_test_anon(head) || ph_test_ksm(head))
		return false;
	return PageAnonExclusive(head) || (!PageHuge(head) && PageAnonExclusive(page));
#else
	return false;
#endif
}

/* A reference to the folio that @page is part of, unless it is free or frozen. */
static inline struct page *ph_try_get(struct page *page)
{
	struct page *head = ph_head(page);

	if (!get_page_unless_zero(head))
		return NULL;
	/* It may have been split, or freed and used again, meanwhile. */
	if (ph_head(page) != head) {
		put_page(head);
		return NULL;
	}
	return head;
}

/* A page of the mapped range that GUP-fast does not take, without a fault. */
#ifdef PH_FOLL_NOFAULT
static inline struct page *ph_follow(struct vm_area_struct *vma,
				     unsigned long addr)
{
	struct page *page;

	/* FORCE: a NUMA hint is not to count as absent (up to 6.4). */
	if (ph_get_user_pages_remote(vma->vm_mm, addr, 1,
				     FOLL_NOFAULT | FOLL_FORCE, &page) != 1)
		return NULL;
	return page;
}
#else
static inline struct page *ph_follow_huge(struct vm_area_struct *vma, pmd_t *pmd,
					  unsigned long addr)
{
	spinlock_t *ptl = pmd_lock(vma->vm_mm, pmd);
	struct page *page = NULL;

	if (pmd_present(*pmd) && pmd_trans_huge(*pmd)) {
		page = pmd_page(*pmd) + ((addr & ~PMD_MASK) >> PAGE_SHIFT);
		get_page(page);
	}
	spin_unlock(ptl);
	return page;
}

static inline struct page *ph_follow(struct vm_area_struct *vma,
				     unsigned long addr)
{
	struct page *page = NULL;
	spinlock_t *ptl; /* of the page table */
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t *pte;

	pgd = pgd_offset(vma->vm_mm, addr);
	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	pmd = pmd_offset(pud, addr);
	if (pmd_trans_huge(*pmd))
		return ph_follow_huge(vma, pmd, addr);
	if (pmd_none(*pmd) || pmd_bad(*pmd))
		return NULL;
	pte = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (pte_present(*pte) && pfn_valid(pte_pfn(*pte)) &&
	    (!pte_special(*pte) || is_zero_pfn(pte_pfn(*pte)))) {
		page = pte_page(*pte);
		get_page(page);
	}
	pte_unmap_unlock(pte, ptl);
	return page;
}
#endif

#endif
